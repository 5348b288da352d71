//! Gradients of plain f64 functions by central differences, the reference for analytic gradients.

pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

/// The sum of `a` weighted by `b`: a loss whose gradient with respect to `a` is `b`.
pub fn dot(a: &[f64], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * f64::from(*b)).sum()
}

/// The gradient of `loss` at `at`.
pub fn differences(at: &[f32], loss: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let mut point = wide(at);
    (0..point.len())
        .map(|index| {
            let value = point[index];
            point[index] = value + STEP;
            let above = loss(&point);
            point[index] = value - STEP;
            let below = loss(&point);
            point[index] = value;
            (above - below) / (2.0 * STEP)
        })
        .collect()
}
