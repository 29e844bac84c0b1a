use super::*;
use crate::Isa;
use crate::random::SplitMix;
use crate::testing::instruction_sets;

/// The three bf16 of each number, as f32.
struct Split<'a>(&'a [f32]);

impl Kernel for Split<'_> {
    type Output = Vec<[f32; BF16X3]>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let mut split = vec![[0.0; BF16X3]; self.0.len()];
        let numbers = self.0.chunks_exact(2 * S::LANES).zip(split.chunks_exact_mut(2 * S::LANES));
        for (numbers, split) in numbers {
            // More room than is needed, to see that nothing else is written.
            let stride = S::LANES + 3;
            let mut words = vec![7; BF16X3 * stride];
            simd.store_bf16x3(simd.load(numbers), simd.load(&numbers[S::LANES..]), &mut words, stride);
            for (which, words) in words.chunks_exact(stride).enumerate() {
                assert_eq!(words[S::LANES..], [7; 3]);
                let bits: &[u16] = bytemuck::cast_slice(&words[..S::LANES]);
                for (split, bits) in split.iter_mut().zip(bits) {
                    split[which] = f32::from_bits(u32::from(*bits) << 16);
                }
            }
        }
        split
    }
}

/// The three digits of each number, joined again.
struct JoinedDigits<'a>(&'a [f32]);

impl Kernel for JoinedDigits<'_> {
    type Output = Vec<i32>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let mut joined = Vec::new();
        for numbers in self.0.chunks_exact(S::LANES) {
            // More room than is needed, to see that nothing else is written.
            let stride = S::LANES + 3;
            let mut bytes = vec![7; 3 * stride];
            simd.store_int8x3(simd.load(numbers), &mut bytes, stride);
            assert!(bytes.chunks_exact(stride).all(|digits| digits[S::LANES..] == [7; 3]));
            joined.extend((0..S::LANES).map(|lane| {
                let digit = |at: usize| i32::from(bytes[at * stride + lane]) - 128;
                (digit(0) * 256 + digit(1)) * 256 + digit(2)
            }));
        }
        joined
    }
}

#[test]
fn a_whole_number_is_its_digits() {
    let mut random = SplitMix::new(4);
    let mut numbers: Vec<f32> = (0..256).map(|_| (random.unit() as f32 - 0.5) * 16_711_000.0).collect();
    let edges = [0.0, 0.5, 1.5, -0.5, 127.0, 128.0, -128.0, -129.0, 8_355_711.0, -8_355_711.0];
    numbers[..edges.len()].copy_from_slice(&edges);
    let expected: Vec<i32> = numbers.iter().map(|number| number.round_ties_even() as i32).collect();
    for isa in instruction_sets() {
        assert_eq!(isa.run(JoinedDigits(&numbers)), expected, "{isa}");
    }
}

#[test]
fn a_number_is_the_sum_of_its_three_bf16() {
    let mut random = SplitMix::new(3);
    let mut numbers: Vec<f32> =
        (0..1024).map(|at| (random.unit() as f32 - 0.5) * 10_f32.powi(at % 40 - 20)).collect();
    numbers[..4].copy_from_slice(&[0.0, -0.0, 1.0, f32::MAX / 2.0]);
    let expected = Isa::Portable.run(Split(&numbers));
    for (number, split) in numbers.iter().zip(&expected) {
        let sum: f64 = split.iter().copied().map(f64::from).sum();
        assert_eq!(sum, f64::from(*number));
    }
    // AVX-512 has it with AMX only, where it is used.
    for isa in instruction_sets().filter(|isa| !matches!(isa, Isa::Avx512Vnni | Isa::Avx512)) {
        assert_eq!(isa.run(Split(&numbers)), expected, "{isa}");
    }
}

/// Every operation on whole numbers, of the words `a`, `b` and `c`, with the words that it gives in each lane.
struct WholeNumbers<'a> {
    a: &'a [i32],
    b: &'a [i32],
    c: &'a [i32],
}

impl Kernel for WholeNumbers<'_> {
    type Output = Vec<(&'static str, Vec<i32>)>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let mut results: Self::Output = Vec::new();
        for (at, _) in self.a.chunks_exact(S::LANES).enumerate() {
            let part = |words: &[i32]| simd.load_i32(&words[at * S::LANES..]);
            let (a, b, c) = (part(self.a), part(self.b), part(self.c));
            // Positive int16, and numbers of bits to shift by.
            let mask = simd.splat_int16(0x7fff);
            let (small_a, small_b) = (simd.and_i32(a, mask), simd.and_i32(b, mask));
            let bits = simd.add_int16(simd.and_i32(b, simd.splat_int16(15)), simd.splat_int16(1));
            let all = [
                ("add_i32", simd.add_i32(a, b)),
                ("and_i32", simd.and_i32(a, b)),
                ("add_int16", simd.add_int16(a, b)),
                ("sub_int16", simd.sub_int16(a, b)),
                ("mul_high_u16", simd.mul_high_u16(a, b)),
                ("mul_q15", simd.mul_q15(small_a, small_b)),
                ("shift_left_u16", simd.shift_left_u16::<6>(a)),
                ("shift_right_u16", simd.shift_right_u16::<10>(a)),
                ("shift_right_each_u16", simd.shift_right_each_u16(small_a, bits)),
                ("dot_int16", simd.dot_int16(c, small_a, b)),
                ("add_int16_pairs", simd.add_int16_pairs(c, small_a)),
                // Weights below 64 do not overflow 16 bits in pairs.
                ("dot_int8", simd.dot_int8(c, a, simd.and_i32(b, simd.splat_i32(0x3f3f_3f3f)))),
            ];
            for (which, (name, words)) in all.into_iter().enumerate() {
                if results.len() == which {
                    results.push((name, Vec::new()));
                }
                let mut lanes = [0; MAX_LANES];
                simd.store_i32(words, &mut lanes);
                results[which].1.extend_from_slice(&lanes[..S::LANES]);
            }
        }
        results
    }
}

#[test]
fn whole_numbers_are_the_same_on_every_instruction_set() {
    let mut random = SplitMix::new(6);
    let mut words =
        |shift: u32| -> Vec<i32> { (0..128).map(|_| (random.next_u64() as i32) >> shift).collect() };
    // Sums start small, so that none overflows.
    let (a, b, c) = (words(0), words(0), words(8));
    let expected = Isa::Portable.run(WholeNumbers { a: &a, b: &b, c: &c });
    for isa in instruction_sets() {
        assert_eq!(isa.run(WholeNumbers { a: &a, b: &b, c: &c }), expected, "{isa}");
    }
}
