//! Runs of the same M2 that differ in their seed, and what they have in common.

use std::fmt::{self, Display};

use super::super::MethodResult;
use super::number;

/// The results of a method and a size of M2, one a seed; there is at least one.
#[derive(Clone)]
pub struct Runs<'a>(Vec<&'a MethodResult>);

impl<'a> Runs<'a> {
    /// Results by method and size, in the order in which these come first.
    pub fn group(results: &[&'a MethodResult]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for &result in results {
            let is_same =
                |runs: &&mut Self| (&runs.first().method, runs.first().preset) == (&result.method, result.preset);
            match groups.iter_mut().find(is_same) {
                Some(runs) => runs.0.push(result),
                None => groups.push(Self(vec![result])),
            }
        }
        groups
    }

    /// The first of them: for what no seed changes.
    pub fn first(&self) -> &'a MethodResult {
        self.0[0]
    }

    /// All of them.
    pub fn all(&self) -> &[&'a MethodResult] {
        &self.0
    }

    /// A figure of all runs.
    pub fn estimate(&self, figure: impl Fn(&MethodResult) -> f64) -> Estimate {
        let values: Vec<f64> = self.0.iter().map(|result| figure(result)).collect();
        Estimate::of(&values)
    }
}

/// A mean, and how far single values lie from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The standard deviation of a sample (divided by one less than there are values); `None` of one value.
    pub deviation: Option<f64>,
}

impl Estimate {
    fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self { mean, deviation: (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt()) }
    }

    /// The mean with a deviation below and above it.
    pub fn range(self) -> (f64, f64) {
        let deviation = self.deviation.unwrap_or(0.0);
        (self.mean - deviation, self.mean + deviation)
    }
}

impl Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&number(self.mean))?;
        self.deviation.map_or(Ok(()), |deviation| write!(f, " ± {}", number(deviation)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_no_deviation() {
        assert_eq!(Estimate::of(&[1.5]).to_string(), "1.500");
        assert_eq!(Estimate::of(&[1.0, 2.0, 3.0]), Estimate { mean: 2.0, deviation: Some(1.0) });
        assert_eq!(Estimate::of(&[1.0, 2.0, 3.0]).to_string(), "2.000 ± 1.000");
    }
}
