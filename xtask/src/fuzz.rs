//! `cargo xtask fuzz`: inputs that nobody has thought of.

use std::fs;
use std::path::Path;

use crate::command::{cargo, output, program, run, say};
use crate::{Result, cache, libpq, root};

/// What `cargo fuzz` compiles with, so that libFuzzer sees which ways an input takes.
/// All of it is there in a stable compiler. The sanitizers are not, and would find
/// nothing, because there is no unsafe code to find it in.
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    --cfg fuzzing -Cdebug-assertions=yes -Coverflow-checks=yes";
const MANIFEST: [&str; 2] = ["--manifest-path", "fuzz/Cargo.toml"];

/// The longest input, and the longest that one may take.
const INPUT_BYTES_MAX: usize = 8 * 1024;
const INPUT_SECONDS_MAX: u64 = 20;

pub(crate) fn fuzz(targets: &[String], seconds: u64) -> Result {
    let known = targets_there_are()?;
    if let Some(unknown) = targets.iter().find(|target| !known.contains(target)) {
        return Err(format!("there is no target `{unknown}`: take {}", known.join(", ")).into());
    }
    let targets = if targets.is_empty() { &known } else { targets };

    say("building the targets; the first time takes minutes");
    lock()?;
    let host = host()?;
    let folder = root().join("target/fuzz");
    run(cargo()
        .args(["build", "--release", "--bins", "--target", &host])
        .args(["--features", "libfuzzer"])
        .args(MANIFEST)
        .args(libpq::features())
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", INSTRUMENTED))?;

    let programs = folder.join(host).join("release");
    let mut broken = Vec::new();
    for target in targets {
        say(&format!("── {target}, for {seconds} s"));
        if let Err(error) = look(&programs.join(target), target, seconds) {
            say(&error.to_string());
            broken.push(target.as_str());
        }
    }
    if broken.is_empty() {
        say("nothing was found");
        return Ok(());
    }
    Err(format!(
        "there are findings in {}: run target/fuzz/…/release/TARGET with one of fuzz/findings/TARGET, mend \
         what it shows, and keep it in fuzz/seeds/TARGET under a name that says what it was",
        broken.join(", ")
    )
    .into())
}

/// Whether what the targets check still fits the library, and holds for all that is
/// known. It needs no instruments, and no compiler for libFuzzer.
pub(crate) fn check() -> Result {
    lock()?;
    let features = libpq::features();
    let target = root().join("target");
    run(cargo().args(["fmt", "--check"]).args(MANIFEST))?;
    for (command, arguments, behind) in [
        (
            "clippy",
            &["--all-targets"][..],
            &["--", "--deny", "warnings"][..],
        ),
        ("test", &[], &[]),
    ] {
        run(cargo()
            .arg(command)
            .args(MANIFEST)
            .args(arguments)
            .args(&features)
            .arg("--target-dir")
            .arg(&target)
            .args(behind))?;
    }
    Ok(())
}

fn look(fuzzer: &Path, target: &str, seconds: u64) -> Result {
    let seeds = root().join("fuzz/seeds").join(target);
    let findings = root().join("fuzz/findings").join(target);
    let dictionary = root().join(format!("fuzz/dictionaries/{target}.dict"));
    // What was of interest in one run is where the next one begins.
    let corpus = cache().join("fuzz").join(target);
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&findings)?;
    let mut fuzzer = program(fuzzer);
    fuzzer
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .arg("-print_final_stats=1");
    if dictionary.exists() {
        fuzzer.arg(format!("-dict={}", dictionary.display()));
    }
    run(fuzzer.arg(corpus).arg(seeds))
}

/// The versions are those of the service: what is fuzzed is what is served. Only what
/// the fuzzer alone needs is added to them.
fn lock() -> Result {
    let served = root().join("Cargo.lock");
    let own = root().join("fuzz/Cargo.lock");
    let written = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
    let is_old = written(&own).map_or(true, |own| written(&served).is_ok_and(|new| new > own));
    if is_old {
        fs::copy(served, own)?;
    }
    Ok(())
}

fn targets_there_are() -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for file in fs::read_dir(root().join("fuzz/fuzz_targets"))? {
        if let Some(name) = file?.path().file_stem() {
            targets.push(name.to_string_lossy().into_owned());
        }
    }
    targets.sort();
    Ok(targets)
}

/// Named, it is compiled for apart from what runs within the compiler, which needs no
/// instruments.
fn host() -> Result<String> {
    let said = output(program("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("`rustc -vV` names no host")?.to_owned())
}
