//! Rows of wide tables.

use serde::{Deserialize, Serialize};
use std::ops::Deref;
use std::sync::Arc;

/// A row of values that copies share until one of them changes: to copy a table of thousands of members, as happens
/// before every close that may be corrected, costs next to nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<f64>", into = "Vec<f64>")]
pub(super) struct Row(Arc<Vec<f64>>);

impl Row {
    /// The values, to be changed; apart from those of copies from now on.
    pub(super) fn edit(&mut self) -> &mut [f64] {
        let values: &mut Vec<f64> = Arc::make_mut(&mut self.0);
        values
    }
}

impl Deref for Row {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        &self.0
    }
}

impl From<Vec<f64>> for Row {
    fn from(values: Vec<f64>) -> Self {
        Row(Arc::new(values))
    }
}

impl From<Row> for Vec<f64> {
    fn from(row: Row) -> Self {
        Arc::unwrap_or_clone(row.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_go_their_own_ways() {
        let mut row = Row::from(vec![1.0, 2.0]);
        let before = row.clone();
        assert!(Arc::ptr_eq(&row.0, &before.0));
        row.edit()[1] = 3.0;
        assert_eq!((&before[..], &row[..]), (&[1.0, 2.0][..], &[1.0, 3.0][..]));
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(text, "[1.0,3.0]");
        assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), row);
    }
}
