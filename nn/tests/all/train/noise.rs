//! Noise never depends on what it should not, and never repeats.

use nn::train::Noise;

#[test]
fn noise_is_a_function_of_seed_step_sample_row_and_column_alone() {
    let draw = |noise: Noise, sample: usize, rows: usize| {
        let mut out = vec![0.0_f64; rows * 5];
        noise.normal(sample, 5, &mut out);
        out
    };
    let noise = Noise::new(1, 2);
    let whole = draw(noise, 0, 10);
    assert_eq!(whole[..20], draw(noise, 0, 4));
    assert_eq!(whole[20..], draw(noise.skip(4), 0, 6));
    assert_eq!(whole[35..], draw(noise.skip(4).skip(3), 0, 3));
    assert_eq!(draw(noise.skip(usize::try_from(u32::MAX).unwrap()), 0, 1).len(), 5);

    let mut all: Vec<Vec<f64>> = Vec::new();
    for seed in [0, 1, 1 << 32] {
        for step in [0, 1, 2, 1 << 16, 1 << 32, (1 << 40) - 2] {
            for sample in [0, 1, 255, 256, 65_535, 65_536, (1 << 24) - 1] {
                all.push(draw(Noise::new(seed, step), sample, 1));
                all.push(draw(Noise::evaluation(seed), sample, 1));
            }
        }
    }
    all.sort_by(|a, b| a[0].total_cmp(&b[0]));
    all.dedup();
    // Evaluation has the same noise at every step.
    assert_eq!(all.len(), 3 * 7 * (6 + 1));
}

#[test]
fn what_all_rows_share_is_the_same_from_every_shard() {
    let draw = |noise: Noise| {
        let mut out = [0.0_f32; 5];
        noise.normal(3, 5, &mut out);
        out
    };
    let noise = Noise::new(1, 2);
    assert_eq!(draw(noise.skip(7).of_step()), draw(noise));
    assert_ne!(draw(noise.skip(7)), draw(noise));
    assert_ne!(draw(Noise::new(1, 3).of_step()), draw(noise));
}

#[test]
#[should_panic(expected = "Noise: expected a sample below 2^24, found 16777216")]
fn noise_does_not_repeat_where_samples_run_out() {
    Noise::evaluation(0).normal(1 << 24, 1, &mut [0.0_f32]);
}

#[test]
#[should_panic(expected = "Noise: expected rows below 2^32, found 4294967296")]
fn noise_does_not_repeat_where_rows_run_out() {
    Noise::new(0, 0).skip(u32::MAX as usize).normal(0, 1, &mut [0.0_f32; 2]);
}
