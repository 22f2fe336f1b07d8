//! Sprites on one core, against the least that rows can cost: embedded pictures made numbers.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vaegis_data::{Dataset, Sprites, Style};

/// Rows that are read in one go, as a batch of training.
const ROWS: usize = 128;

fn sprites(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Elements(ROWS as u64));
    let rows: Vec<usize> = (0..ROWS).collect();
    let mnist = Dataset::mnist();
    group.bench_function("mnist, 1 x 28 x 28", |bencher| bencher.iter(|| mnist.rows(&rows)));
    for (name, style) in [
        ("sprites, 1 x 64 x 64", Style::AntiAliased),
        ("binary sprites, 1 x 64 x 64", Style::Binary),
        ("coloured sprites, 3 x 64 x 64", Style::Colour),
    ] {
        let data = Dataset::sprites(style, 2 * ROWS).unwrap();
        group.bench_function(name, |bencher| bencher.iter(|| data.rows(&rows)));
        let generator = Sprites::new(style);
        group.bench_function(format!("{name}, as bytes"), |bencher| {
            bencher
                .iter(|| rows.iter().map(|&row| generator.picture(720 * row)).collect::<Vec<_>>());
        });
    }
    group.finish();
}

criterion_group!(benches, sprites);
criterion_main!(benches);
