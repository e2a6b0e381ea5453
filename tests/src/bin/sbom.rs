//! Prints the bill of materials of the program: `make sbom`.

use std::io::Write;

fn main() -> anyhow::Result<()> {
    let document = rotation_tests::sbom::document()?;
    writeln!(std::io::stdout(), "{document:#}")?;
    Ok(())
}
