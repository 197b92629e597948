//! How long the parts of the path of a request take; see `bench::pieces`.

use bench::pieces::PIECES;
use criterion::{Criterion, criterion_group, criterion_main};

#[expect(
    clippy::expect_used,
    reason = "criterion has no other way to tell of a failure"
)]
fn pieces(criterion: &mut Criterion) {
    for piece in PIECES {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let mut call = (piece.prepare)(folder.path()).expect(piece.about);
        criterion.bench_function(piece.name, |bencher| {
            bencher.iter(|| call().expect(piece.about));
        });
    }
}

criterion_group!(benches, pieces);
criterion_main!(benches);
