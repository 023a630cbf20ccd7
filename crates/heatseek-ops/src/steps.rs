/// `floats` in steps by which the largest of them is `most`, and the step: what stored vectors are compared with.
pub fn in_steps(floats: &[f32], most: i32) -> (Vec<i32>, f64) {
    let largest = floats.iter().fold(0.0f32, |largest, v| largest.max(v.abs()));
    let step = f64::from(largest) / f64::from(most.max(1));
    let nearest = |&v: &f32| if step > 0.0 { (f64::from(v) / step).round_ties_even() as i32 } else { 0 };
    (floats.iter().map(nearest).collect(), step)
}
