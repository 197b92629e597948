//! What is known passes: the seeds, and whatever was found once and is mended.

use std::fs;
use std::path::Path;

macro_rules! targets {
    ($($target:ident),+) => {
        /// The targets that there are.
        const TARGETS: &[&str] = &[$(stringify!($target)),+];
        $(
            #[test]
            fn $target() {
                replay(stringify!($target), audit_fuzz::$target::check);
            }
        )+
    };
}

targets!(
    client_address,
    cursor,
    differences,
    filter,
    journal,
    redactor,
    repeated,
    secrets,
    token
);

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    let seeds = fs::read_dir(&folder).expect("a folder of seeds");
    let mut count = 0;
    for seed in seeds {
        let path = seed.expect("a seed").path();
        // Shown if it fails.
        println!("{}", path.display());
        check(&fs::read(&path).expect("a seed that can be read"));
        count += 1;
    }
    assert!(count > 0, "no seeds in {}", folder.display());
}

#[test]
fn every_target_of_the_fuzzer_is_tested_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    assert_eq!(names, TARGETS);
}
