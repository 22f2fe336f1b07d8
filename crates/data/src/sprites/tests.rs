use std::f64::consts::PI;

use super::outline::{self, Point};
use super::raster::{self, SIDE};
use super::{FACTORS, ORIENTATIONS, PICTURE, SCALES, Sprites, Style};
use crate::dataset::tests::plain;
use crate::dataset::{Dataset, Values};

/// Shape, scale and orientation of every mask.
fn masks() -> impl Iterator<Item = (usize, usize, usize)> {
    let turns = |shape, scale| (0..ORIENTATIONS).map(move |turn| (shape, scale, turn));
    (0..3).flat_map(move |shape| (0..SCALES).flat_map(move |scale| turns(shape, scale)))
}

/// The picture in the middle place, `[row][column]`, as bytes.
fn picture(
    style: Style,
    shape: usize,
    scale: usize,
    orientation: usize,
    place: [usize; 2],
) -> Vec<u8> {
    let indices = [shape, scale, orientation, place[0], place[1]];
    Sprites::new(style).picture(FACTORS.number(&indices))
}

/// How far outside a shape a point is: above 0 outside, below 0 inside. By the formulas of true
/// curves, in the shape's own frame.
fn outside(shape: usize, scale: usize, orientation: usize, point: Point) -> f64 {
    let angle = 2.0 * PI * orientation as f64 / ORIENTATIONS as f64;
    let (sine, cosine) = angle.sin_cos();
    let [x, y] = point.map(|coordinate| coordinate / outline::SCALES[scale]);
    let [x, y] = [x * cosine + y * sine, y * cosine - x * sine];
    match shape {
        0 => x.abs().max(y.abs()) - 10.7,
        1 => (x / 15.25).hypot(y / 9.75) - 1.0,
        _ => {
            let lift = (3.0 * PI + 4.0) / (6.0 * PI + 24.0);
            let [x, y] = [x.abs() / 11.5, y / 11.5 - lift];
            (x + y.abs() - 1.0).min((x - 0.5).hypot(y + 0.5) - 0.5_f64.sqrt())
        }
    }
}

fn middle_of(pixel: usize) -> Point {
    [pixel % SIDE, pixel / SIDE].map(|place| place as f64 - (SIDE / 2) as f64)
}

#[test]
fn coverage_sums_to_the_area() {
    for (shape, scale, turn) in masks() {
        let polygon = outline::outline(shape, scale, turn);
        let sum: f64 = raster::coverage(&polygon).iter().sum();
        let area = outline::area(&polygon);
        assert!((sum - area).abs() < 1e-10, "{shape} {scale} {turn}: {sum} {area}");
    }
}

#[test]
fn coverage_is_the_share_of_points_within() {
    const POINTS: usize = 40;
    for (shape, scale, turn) in masks().step_by(13) {
        let shares = raster::coverage(&outline::outline(shape, scale, turn));
        for (pixel, share) in shares.into_iter().enumerate() {
            let within = (0..POINTS * POINTS).filter(|point| {
                let offset = |k: usize| (k as f64 + 0.5) / POINTS as f64 - 0.5;
                let [x, y] = middle_of(pixel);
                let point = [x + offset(point % POINTS), y + offset(point / POINTS)];
                outside(shape, scale, turn, point) < 0.0
            });
            let expected = within.count() as f64 / (POINTS * POINTS) as f64;
            assert!(
                (share - expected).abs() < 0.03,
                "{shape} {scale} {turn} {pixel}: {share} {expected}"
            );
        }
    }
}

#[test]
fn binary_pixels_are_those_with_their_centres_within() {
    let mut white = 0;
    for (shape, scale, turn) in masks() {
        let inside = raster::inside(&outline::outline(shape, scale, turn));
        for (pixel, inside) in inside.into_iter().enumerate() {
            let outside = outside(shape, scale, turn, middle_of(pixel));
            // Polygons lie within their curves by less than two thousandths of a pixel.
            if outside.abs() > 4e-4 {
                assert_eq!(inside, outside < 0.0, "{shape} {scale} {turn} {pixel}");
            }
            white += usize::from(inside);
        }
    }
    let area: f64 = masks()
        .map(|(shape, scale, turn)| outline::area(&outline::outline(shape, scale, turn)))
        .sum();
    assert!((white as f64 / area - 1.0).abs() < 1e-3, "{white} {area}");
}

#[test]
fn no_pixel_depends_on_rounding() {
    for (shape, scale, turn) in masks() {
        let polygon = outline::outline(shape, scale, turn);
        for share in raster::coverage(&polygon) {
            let from_tie = ((255.0 * share).fract() - 0.5).abs();
            assert!(from_tie > 1e-9, "{shape} {scale} {turn}: {share}");
        }
        for pixel in 0..SIDE * SIDE {
            let centre = middle_of(pixel);
            for (a, b) in polygon.iter().zip(polygon.iter().cycle().skip(1)) {
                // Of the point from the edge.
                let along = [b[0] - a[0], b[1] - a[1]];
                let to = [centre[0] - a[0], centre[1] - a[1]];
                let length = along[0].hypot(along[1]);
                let share =
                    ((to[0] * along[0] + to[1] * along[1]) / (length * length)).clamp(0.0, 1.0);
                let distance = (to[0] - share * along[0]).hypot(to[1] - share * along[1]);
                assert!(distance > 1e-9, "{shape} {scale} {turn} {pixel}");
            }
        }
    }
}

#[test]
fn symmetries_are_exact() {
    let quarter_turned = |pixels: &[u8]| -> Vec<u8> {
        // Clockwise about the middle of place 15, 15: what was at the left is at the top.
        let at = |row: usize, column: usize| {
            let [y, x] = [row, column].map(|k| k as i32 - 31);
            let [from_x, from_y] = [y, -x].map(|k| k + 31);
            let within = |k: i32| usize::try_from(k).ok().filter(|&k| k < PICTURE);
            within(from_y)
                .zip(within(from_x))
                .map_or(0, |(row, column)| pixels[row * PICTURE + column])
        };
        (0..PICTURE * PICTURE).map(|k| at(k / PICTURE, k % PICTURE)).collect()
    };
    let mirrored = |pixels: &[u8]| -> Vec<u8> {
        // About the column of place 15.
        let column = |k: usize| (62 - k as i32 % 64).rem_euclid(64) as usize;
        (0..PICTURE * PICTURE).map(|k| pixels[k / PICTURE * PICTURE + column(k)]).collect()
    };
    for style in [Style::AntiAliased, Style::Binary] {
        for (shape, scale, turn) in masks() {
            let draw = |turn| picture(style, shape, scale, turn % ORIENTATIONS, [15, 15]);
            let drawn = draw(turn);
            assert_eq!(quarter_turned(&drawn), draw(turn + 10), "{shape} {scale} {turn}");
            assert_eq!(mirrored(&drawn), draw(ORIENTATIONS - turn), "{shape} {scale} {turn}");
            assert_eq!(drawn == draw(turn + 10), shape == 0, "{shape} {scale} {turn}");
            assert_eq!(drawn == draw(turn + 20), shape < 2, "{shape} {scale} {turn}");
        }
    }
}

#[test]
fn places_are_one_pixel_apart() {
    for style in [Style::AntiAliased, Style::Binary] {
        for (shape, scale, turn) in masks().step_by(29) {
            let first = picture(style, shape, scale, turn, [0, 0]);
            let ink = first.iter().map(|&pixel| u32::from(pixel)).sum::<u32>();
            for place in [[31, 0], [0, 31], [7, 18], [31, 31]] {
                let moved = picture(style, shape, scale, turn, place);
                assert_eq!(moved.iter().map(|&pixel| u32::from(pixel)).sum::<u32>(), ink);
                for (k, &pixel) in first.iter().enumerate().filter(|(_, pixel)| **pixel > 0) {
                    let (column, row) = (k % PICTURE + place[0], k / PICTURE + place[1]);
                    assert_eq!(moved[row * PICTURE + column], pixel);
                }
            }
        }
    }
}

#[test]
fn all_pictures_are_different_but_for_symmetries() {
    for style in [Style::AntiAliased, Style::Binary] {
        let pictures: std::collections::BTreeSet<_> = masks()
            .map(|(shape, scale, turn)| picture(style, shape, scale, turn, [0, 0]))
            .collect();
        assert_eq!(pictures.len(), SCALES * (10 + 20 + 40), "{style:?}");
    }
}

#[test]
fn colours_are_channels() {
    let sprites = Sprites::new(Style::Colour);
    assert_eq!(sprites.factors().len(), 7 * FACTORS.len());
    for colour in 0..7 {
        let number = FACTORS.number(&[2, 3, 11, 5, 30]);
        let grey = Sprites::new(Style::AntiAliased).picture(number);
        let coloured = sprites.picture(colour * FACTORS.len() + number);
        for (channel, plane) in coloured.chunks(PICTURE * PICTURE).enumerate() {
            let lit = (colour + 1) >> channel & 1 == 1;
            assert!(if lit { plane == grey } else { plane.iter().all(|&pixel| pixel == 0) });
        }
    }
}

#[test]
fn pictures_are_what_they_were() {
    for (style, expected) in [
        (Style::AntiAliased, "030770a426c79ca12f400409f919364a664c5843aaaac965a9cd8b7b38051d16"),
        (Style::Binary, "463091ca4f2c80eadfe9fc479cc65700702b29580914650eef10346d4a55b1ee"),
        (Style::Colour, "1bb4539f8b61a5f1657f7e6566bd3a42756321beaaa63c17e8a92606e272a6c4"),
    ] {
        let mut hasher = blake3::Hasher::new();
        for number in (0..Sprites::new(style).factors().len()).step_by(997) {
            hasher.update(&Sprites::new(style).picture(number));
        }
        assert_eq!(hasher.finalize().to_hex().as_str(), expected, "{style:?}");
    }
}

#[test]
#[should_panic(expected = "sprite 737280 of 737280")]
fn a_number_beyond_the_grid_panics() {
    Sprites::new(Style::Binary).picture(FACTORS.len());
}

#[test]
fn rows_are_sprites_in_one_random_order() {
    for style in Style::ALL {
        let sprites = Sprites::new(style);
        let (data, fewer) =
            (Dataset::sprites(style, 3000).unwrap(), Dataset::sprites(style, 10).unwrap());
        assert_eq!((data.len(), data.shape()), (3000, &sprites.shape()[..]));
        assert_eq!((data.test(), data.value_range()), (2400..3000, Some((0.0, 1.0))));
        assert_eq!((data.factors(), data.generator()), (Some(sprites.factors()), Some(sprites)));
        let mut numbers = std::collections::BTreeSet::new();
        let mut counts: Vec<Vec<usize>> =
            sprites.factors().sizes().iter().map(|&n| vec![0; n]).collect();
        for i in 0..data.len() {
            let indices = data.factor_indices(i).unwrap();
            let number = sprites.factors().number(&indices);
            numbers.insert(number);
            counts.iter_mut().zip(&indices).for_each(|(counts, &index)| counts[index] += 1);
            let shape = indices[indices.len() - 5] as i64;
            assert_eq!(data.label(i), Some(shape));
            if i % 100 == 0 {
                assert_eq!(data.row(i), sprites.rows(&[number]));
                let pixels =
                    sprites.picture(number).into_iter().map(|pixel| f32::from(pixel) / 255.0);
                assert_eq!(data.row(i), pixels.collect::<Vec<_>>());
            }
            if i < 10 {
                assert_eq!(fewer.factor_indices(i), Some(indices));
            }
        }
        assert_eq!((numbers.len(), data.factor_indices(3000)), (3000, None));
        // Every value within five standard deviations of its expected count.
        for counts in counts {
            let expected = 3000.0 / counts.len() as f64;
            let near = |&count: &usize| (count as f64 - expected).abs() < 5.0 * expected.sqrt();
            assert!(counts.iter().all(near), "{counts:?}");
        }
        assert_eq!(data.label_name(2), Some("heart"));
    }
}

#[test]
fn data_sets_are_what_they_were_and_the_same_as_their_pixels() {
    for (style, expected) in [
        (Style::AntiAliased, "b3fe61aec08f2efc71b0b078ccad7ed445052eb415f8bfd6a55b6b1ad7b7315f"),
        (Style::Binary, "c9d8671f67351b8b808574da5af63ea8afd4e7b680ed03d17150e1e574ca7bad"),
        (Style::Colour, "13cebe6b75f3454d26747590cf5b8f4c1613fbbcef7db3f0261739dfa8c25e43"),
    ] {
        let data = Dataset::sprites(style, 50).unwrap();
        // Stored with results: a change here orphans them.
        assert_eq!(data.fingerprint(), expected, "{style:?}");
        let sprites = Sprites::new(style);
        let number = |i| sprites.factors().number(&data.factor_indices(i).unwrap());
        let pixels = (0..50).flat_map(|i| sprites.picture(number(i))).collect();
        let labels = (0..50).map(|i| data.label(i).unwrap()).collect();
        let copy = plain("copy", &sprites.shape(), Values::Pixels(pixels), Some(labels));
        assert_eq!(data.fingerprint(), copy.fingerprint());
        assert_eq!((data.summary(), data.rows(&[3, 7])), (copy.summary(), copy.rows(&[3, 7])));
    }
}

#[test]
fn names_say_how_many() {
    for (spec, rows) in [("sprites", 20_000), ("sprites-binary:7", 7), ("sprites-colour:30", 30)] {
        let dataset = Dataset::open(spec).unwrap();
        assert_eq!((dataset.len(), dataset.name()), (rows, spec));
    }
    assert_eq!(Dataset::open("sprites:737280").unwrap().test().len(), 147_456);
    for (spec, expected) in [
        (
            "sprites:0",
            "sprites: `0` is no number of rows: expected 1 to 737280, as in `sprites:5000`",
        ),
        ("sprites:", "sprites: `` is no number"),
        ("sprites-binary:737281", "`737281` is no number of rows: expected 1 to 737280"),
        (
            "sprites-colour:many",
            "sprites-colour: `many` is no number of rows: expected 1 to 5160960",
        ),
        ("sprite:5", "`sprite:5` is neither a known data set"),
    ] {
        let message = Dataset::open(spec).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
