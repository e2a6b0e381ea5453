#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (rotation_tests::fuzzing::find("reading").check)(bytes));
