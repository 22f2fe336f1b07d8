use vaegis_robustness::certificate::*;
use vaegis_robustness::*;
use vaegis_vae::{Noise, Purpose, Vae};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let vae = Vae::load(args[1].as_ref(), &Default::default()).unwrap();
    let data = vaegis_data::Dataset::open(&args[2]).unwrap();
    let model = Model::new(&vae);
    let noise = Noise::new(0);
    let domain = Domain::l2("0,1".parse().unwrap());
    let bounder = vae.encoder().bounder();
    for row in args[3].parse::<usize>().unwrap()..args[4].parse::<usize>().unwrap() {
        let x = data.row(row);
        let encoding = model.encoding(&x).unwrap();
        let reference = model.reconstruct(&encoding.mu).unwrap();
        let ball = Ball::new(&domain, &x);
        let target = Target {
            model: &model,
            x: &x,
            reference: &reference,
            noise: &noise,
            index: row as u64,
            ball: &ball,
        };
        let requests: Vec<Radius> =
            ["q0.6", "q0.9", "q0.999"].iter().map(|r| r.parse().unwrap()).collect();
        let radii = probability::radii(target, &encoding, &requests, 10_000).unwrap();
        let draws = std::env::var("DRAWS").map_or(10_000, |d| d.parse().unwrap());
        let beyond =
            probability::beyond(target, Purpose::Estimation, &encoding, &radii, 0..draws).unwrap();
        let neighbourhood = Neighbourhood::new(&bounder, &domain, &x).unwrap();
        let t0 = std::time::Instant::now();
        let posteriors = Posteriors::new(&neighbourhood).unwrap();
        let t1 = t0.elapsed();
        let mut line = format!("{row} new {:.0}ms", 1e3 * t1.as_secs_f64());
        for (slot, &r) in radii.iter().enumerate() {
            let search = Search { start: 0.2, largest: 9.0, tolerance: 0.005 };
            let limits = beyond[slot].limits(0.001);
            let (mut count, mut time) = (0, 0.0);
            let t0 = std::time::Instant::now();
            let full = margin::from_posteriors(r, &beyond[slot], 0.001, &search, |d| {
                count += 1;
                let t = std::time::Instant::now();
                let f = posteriors.within(d);
                time += t.elapsed().as_secs_f64();
                f
            });
            let total = t0.elapsed().as_secs_f64();
            let still = |f: Reachable| {
                Reachable::new(f.shift(), vec![[1.0, 1.0]; encoding.mu.len()]).unwrap()
            };
            let noscale = margin::from_posteriors(r, &beyond[slot], 0.001, &search, |d| {
                posteriors.within(d).map(still)
            });
            let at = posteriors.within(full.margin().max(1e-9)).unwrap();
            let w: Vec<f64> = at.scales().iter().map(|s| s[1].ln()).collect();
            line += &format!(
                " | r {r:.2} q<{:.3} y {:.3} h {:.3} R {:.4} s {:.3} w {:.3} by {} noscale R {:.4} s {:.3}  ({count}x{:.1}ms of {:.0}ms)",
                limits.probability,
                limits.mean,
                limits.curvature,
                full.margin(),
                full.shift().unwrap(),
                w.iter().map(|w| w * w).sum::<f64>().sqrt(),
                full.method(),
                noscale.margin(),
                noscale.shift().unwrap(),
                1e3 * time / count as f64,
                1e3 * total
            );
        }
        println!("{line}");
        let t0 = std::time::Instant::now();
        let all = at_point(target, &encoding, &domain, (&radii, &beyond), 0.001, &[0.1, 0.3, 0.5])
            .unwrap();
        println!(
            "      at point {:?} {:.0}ms",
            all.iter().map(|c| (c.margin(), c.method().to_string(), c.shift())).collect::<Vec<_>>(),
            1e3 * t0.elapsed().as_secs_f64()
        );
    }
}
