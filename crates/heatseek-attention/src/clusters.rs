//! Heads that look at the same things, found by joining the nearest.

use crate::AnalysisError;
use crate::error::check_shape;

/// A label for each of `count` heads from their `distances` `[count, count]`. Groups are joined as Ward (1963) says,
/// those first that are spread least together, which finds groups rather than a few heads that stand apart; of the
/// 2 to `most` groups on that way those are taken whose mean silhouette (Rousseeuw, 1987) is highest, of equal ones
/// the fewest. Labels count from 0 in the order of the heads. About `count³` steps.
///
/// # Errors
/// [`AnalysisError::Length`].
pub fn cluster(distances: &[f64], count: usize, most: usize) -> Result<Vec<usize>, AnalysisError> {
    check_shape("distances", distances.len(), &[("heads", count), ("heads", count)])?;
    let mut labels: Vec<usize> = (0..count).collect();
    // By label, of those still in use: distance of groups, and members.
    let mut apart = distances.to_vec();
    let mut members = vec![1.0; count];
    let mut groups: Vec<usize> = (0..count).collect();
    let mut best: Option<(f64, Vec<usize>)> = None;
    while groups.len() > 2 {
        let (a, b) = nearest(&apart, count, &groups);
        let joined = apart[a * count + b].powi(2);
        for &other in groups.iter().filter(|&&other| other != a && other != b) {
            // Lance and Williams (1967): the distance to the two together from those to each.
            let [to_a, to_b] =
                [a, b].map(|group| (members[group] + members[other]) * apart[group * count + other].powi(2));
            let all = members[a] + members[b] + members[other];
            let distance = ((to_a + to_b - members[other] * joined) / all).max(0.0).sqrt();
            apart[a * count + other] = distance;
            apart[other * count + a] = distance;
        }
        members[a] += members[b];
        groups.retain(|&group| group != b);
        labels.iter_mut().filter(|label| **label == b).for_each(|label| *label = a);
        if (2..=most).contains(&groups.len()) {
            let quality = silhouette(distances, &labels);
            // Fewer groups come later.
            if best.as_ref().is_none_or(|(so_far, _)| quality >= *so_far) {
                best = Some((quality, labels.clone()));
            }
        }
    }
    Ok(renumbered(&best.map_or(labels, |(_, labels)| labels)))
}

/// The two groups that are nearest, of equal ones the first.
fn nearest(apart: &[f64], count: usize, groups: &[usize]) -> (usize, usize) {
    let mut best = (f64::INFINITY, (groups[0], groups[1]));
    for (at, &a) in groups.iter().enumerate() {
        for &b in &groups[at + 1..] {
            if apart[a * count + b] < best.0 {
                best = (apart[a * count + b], (a, b));
            }
        }
    }
    best.1
}

/// Mean over heads of `(b − a)/max(a, b)`: `a` the mean distance to its own group, `b` to the nearest other. A head
/// that is alone counts 0.
fn silhouette(distances: &[f64], labels: &[usize]) -> f64 {
    let count = labels.len();
    let mut total = 0.0;
    for head in 0..count {
        let mut sums = vec![(0.0, 0usize); count];
        for other in (0..count).filter(|&other| other != head) {
            let (sum, members) = &mut sums[labels[other]];
            *sum += distances[head * count + other];
            *members += 1;
        }
        let own = labels[head];
        let mean = |group: usize| sums[group].0 / sums[group].1 as f64;
        let others = (0..count).filter(|&group| group != own && sums[group].1 > 0);
        let other = others.map(mean).fold(f64::INFINITY, f64::min);
        if sums[own].1 > 0 && other.is_finite() {
            let scale = mean(own).max(other);
            total += if scale > 0.0 { (other - mean(own)) / scale } else { 0.0 };
        }
    }
    total / count.max(1) as f64
}

fn renumbered(labels: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    let mut number = |label: usize| match order.iter().position(|&known| known == label) {
        Some(at) => at,
        None => {
            order.push(label);
            order.len() - 1
        }
    };
    labels.iter().map(|&label| number(label)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_points(points: &[f64], most: usize) -> Vec<usize> {
        let distances: Vec<f64> =
            points.iter().flat_map(|a| points.iter().map(move |b| (a - b).abs())).collect();
        cluster(&distances, points.len(), most).unwrap()
    }

    #[test]
    fn groups_are_found_and_numbered_in_order() {
        assert_eq!(of_points(&[5.0, 0.0, 5.1, 0.2, 9.0, 9.3, 0.1], 5), [0, 1, 0, 1, 2, 2, 1]);
        assert_eq!(of_points(&[0.0, 0.1, 7.0, 7.1], 8), [0, 0, 1, 1]);
        // Three groups are there, two are allowed: the nearest two are one.
        assert_eq!(of_points(&[0.0, 0.1, 7.0, 7.1, 9.0, 9.1], 2), [0, 0, 1, 1, 1, 1]);
    }

    #[test]
    fn few_heads_are_sound() {
        assert_eq!(of_points(&[], 4), [0usize; 0]);
        assert_eq!(of_points(&[1.0], 4), [0]);
        assert_eq!(of_points(&[1.0, 2.0], 4), [0, 1]);
        assert_eq!(of_points(&[1.0, 1.0, 1.0], 4).len(), 3);
        assert!(cluster(&[0.0; 3], 2, 2).is_err());
    }
}
