//! An exponential moving average of the parameters, which varies less than they do and is often the better model.

use rayon::prelude::*;

/// The average is updated once in so many steps, because an update costs a sweep over all parameters.
const EVERY: usize = 8;

/// The number of parameters that a thread updates at a time.
const PIECE: usize = 1 << 16;

/// Updates the average with the parameters after `step`, counted from 1. Weights fall by `decay` with each step back. The
/// weights of the steps so far always sum to 1, so that the first steps do not count for more than their share.
pub fn update(average: &mut [f32], parameters: &[f32], decay: f64, step: usize) {
    if step % EVERY != 1 {
        return;
    }
    let times = (step / EVERY + 1) as i32;
    let decay = decay.powi(EVERY as i32);
    let share = ((1.0 - decay) / (1.0 - decay.powi(times))) as f32;
    average.par_chunks_mut(PIECE).zip(parameters.par_chunks(PIECE)).for_each(|(average, parameters)| {
        for (average, parameter) in average.iter_mut().zip(parameters) {
            *average += share * (parameter - *average);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_fall_with_each_step_back_and_sum_to_one() {
        let mut average = vec![7.0];
        for step in 1..=24 {
            update(&mut average, &[step as f32], 0.9, step);
        }
        let weights = [0.9_f64.powi(16), 0.9_f64.powi(8), 1.0];
        let sum = weights[0] + 9.0 * weights[1] + 17.0 * weights[2];
        let expected = sum / weights.iter().sum::<f64>();
        assert!((f64::from(average[0]) - expected).abs() < 1e-5, "{} is not {expected}", average[0]);
    }

    #[test]
    fn the_average_of_a_constant_is_the_constant() {
        let mut average = vec![0.3];
        (1..100).for_each(|step| update(&mut average, &[0.3], 0.99, step));
        assert_eq!(average, [0.3]);
    }
}
