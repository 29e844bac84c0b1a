//! A moving average of the parameters, which wanders less than they do and is often the better model.

use rayon::prelude::*;

/// Every so many steps the parameters are taken into the average: each time costs a sweep over all of them.
const EVERY: usize = 8;

/// Work on this many parameters at a time.
const PIECE: usize = 1 << 16;

/// Takes the parameters after `step`, counted from 1, into the average, whose weights fall by `decay` with each step
/// back. The weights of the steps so far always sum to 1, so that the first steps count for no more than their share.
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
    fn what_rests_stays_what_it_is() {
        let mut average = vec![0.3];
        (1..100).for_each(|step| update(&mut average, &[0.3], 0.99, step));
        assert_eq!(average, [0.3]);
    }
}
