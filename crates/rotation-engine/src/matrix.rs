//! Symmetric matrices, whole, by rows.

/// A pivot so small a part of its diagonal is rounding: the matrix is singular.
const SINGULAR: f64 = 1e-12;

/// v' A⁻¹ v of a positive definite matrix, by Cholesky's decomposition; none where it is not.
pub(crate) fn inverse_form(mut matrix: Vec<f64>, vector: &[f64]) -> Option<f64> {
    let size = vector.len();
    let mut solved = vector.to_vec();
    let mut form = 0.0;
    for row in 0..size {
        let (above, own) = matrix.split_at_mut(row * size);
        let diagonal = own[row];
        for column in 0..row {
            let other = &above[column * size..column * size + column + 1];
            let known: f64 = own[..column]
                .iter()
                .zip(other)
                .map(|(left, right)| left * right)
                .sum();
            own[column] = (own[column] - known) / other[column];
        }
        let known: f64 = own[..row].iter().map(|value| value * value).sum();
        let pivot = diagonal - known;
        // Also where it is not a number.
        if !(pivot > diagonal * SINGULAR && pivot > 0.0) {
            return None;
        }
        own[row] = libm::sqrt(pivot);
        let known: f64 = own[..row]
            .iter()
            .zip(&solved)
            .map(|(left, right)| left * right)
            .sum();
        solved[row] = (solved[row] - known) / own[row];
        form += solved[row] * solved[row];
    }
    Some(form)
}

/// The eigenvalues, the largest first.
///
/// Reflections take the matrix to three diagonals, then shifted rotations to one (Golub & Van Loan, *Matrix
/// Computations*, 8.3): O(n³) with a small constant, and only square roots beyond the four operations.
pub(crate) fn eigenvalues(matrix: Vec<f64>, size: usize) -> Vec<f64> {
    let (mut diagonal, mut beside) = tridiagonal(matrix, size);
    let largest = diagonal
        .iter()
        .chain(&beside)
        .fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let mut last = size.saturating_sub(1);
    // Two or three rounds an eigenvalue are usual.
    for _ in 0..60 * size {
        for value in &mut beside[..last] {
            if value.abs() <= f64::EPSILON * largest {
                *value = 0.0;
            }
        }
        while last > 0 && beside[last - 1] == 0.0 {
            last -= 1;
        }
        if last == 0 {
            break;
        }
        let first = (0..last)
            .rev()
            .find(|at| beside[*at] == 0.0)
            .map_or(0, |at| at + 1);
        chase(&mut diagonal, &mut beside, first, last);
    }
    diagonal.sort_by(|left, right| right.total_cmp(left));
    diagonal
}

/// Diagonal and subdiagonal of a matrix with the same eigenvalues that has no others.
fn tridiagonal(mut matrix: Vec<f64>, size: usize) -> (Vec<f64>, Vec<f64>) {
    let mut beside = vec![0.0; size.saturating_sub(1)];
    for step in 0..size.saturating_sub(1) {
        let rest = step + 1..size;
        let mut normal: Vec<f64> = rest.clone().map(|row| matrix[row * size + step]).collect();
        let length = libm::sqrt(normal.iter().map(|value| value * value).sum());
        let mirrored = if normal[0] > 0.0 { -length } else { length };
        beside[step] = mirrored;
        normal[0] -= mirrored;
        let length = libm::sqrt(normal.iter().map(|value| value * value).sum());
        if length <= 0.0 {
            continue;
        }
        normal.iter_mut().for_each(|value| *value /= length);
        let product = |row: usize| -> f64 {
            let row = &matrix[row * size + step + 1..(row + 1) * size];
            row.iter()
                .zip(&normal)
                .map(|(left, right)| left * right)
                .sum()
        };
        let mut change: Vec<f64> = rest.clone().map(product).collect();
        let along: f64 = change
            .iter()
            .zip(&normal)
            .map(|(left, right)| left * right)
            .sum();
        for (value, normal) in change.iter_mut().zip(&normal) {
            *value = 2.0 * (*value - along * normal);
        }
        for (row, (row_normal, row_change)) in rest.zip(normal.iter().zip(&change)) {
            let row = &mut matrix[row * size + step + 1..(row + 1) * size];
            for (value, (normal, change)) in row.iter_mut().zip(normal.iter().zip(&change)) {
                *value -= row_normal * change + row_change * normal;
            }
        }
    }
    let diagonal = (0..size).map(|at| matrix[at * size + at]).collect();
    (diagonal, beside)
}

/// One round of rotations over the block from `first` to `last`, which no zero divides.
fn chase(diagonal: &mut [f64], beside: &mut [f64], first: usize, last: usize) {
    let half = (diagonal[last - 1] - diagonal[last]) / 2.0;
    let square = beside[last - 1] * beside[last - 1];
    let root = libm::sqrt(half * half + square);
    let shift = diagonal[last] - square / if half < 0.0 { half - root } else { half + root };
    let (mut along, mut across) = (diagonal[first] - shift, beside[first]);
    for at in first..last {
        let length = libm::sqrt(along * along + across * across);
        let (cos, sin) = if length > 0.0 {
            (along / length, across / length)
        } else {
            (1.0, 0.0)
        };
        if at > first {
            beside[at - 1] = length;
        }
        let (upper, lower, between) = (diagonal[at], diagonal[at + 1], beside[at]);
        let twice = 2.0 * cos * sin * between;
        diagonal[at] = cos * cos * upper + twice + sin * sin * lower;
        diagonal[at + 1] = sin * sin * upper - twice + cos * cos * lower;
        beside[at] = (cos * cos - sin * sin) * between + cos * sin * (lower - upper);
        if at + 1 < last {
            along = beside[at];
            across = sin * beside[at + 1];
            beside[at + 1] *= cos;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A matrix with these eigenvalues: rotated by some angle in every plane.
    fn rotated(values: &[f64], angles: &[f64]) -> Vec<f64> {
        let size = values.len();
        let mut matrix = vec![0.0; size * size];
        for (at, value) in values.iter().enumerate() {
            matrix[at * size + at] = *value;
        }
        let planes = (0..size).flat_map(|left| (left + 1..size).map(move |right| (left, right)));
        for ((left, right), angle) in planes.zip(angles.iter().cycle()) {
            let (sin, cos) = angle.sin_cos();
            for at in 0..size {
                let (one, other) = (matrix[left * size + at], matrix[right * size + at]);
                matrix[left * size + at] = cos * one - sin * other;
                matrix[right * size + at] = sin * one + cos * other;
            }
            for at in 0..size {
                let (one, other) = (matrix[at * size + left], matrix[at * size + right]);
                matrix[at * size + left] = cos * one - sin * other;
                matrix[at * size + right] = sin * one + cos * other;
            }
        }
        matrix
    }

    proptest! {
        #[test]
        fn eigenvalues_are_found_again(
            mut values in prop::collection::vec(prop_oneof![1e-3..10.0, Just(1.0), Just(0.0)], 1..12),
            angles in prop::collection::vec(0.0..6.0, 1..40),
        ) {
            let read = eigenvalues(rotated(&values, &angles), values.len());
            values.sort_by(|left, right| right.total_cmp(left));
            for (read, value) in read.iter().zip(&values) {
                prop_assert!((read - value).abs() < 1e-12, "{:?} against {:?}", read, value);
            }
        }

        #[test]
        fn the_form_solves_the_system(
            values in prop::collection::vec(0.1..10.0, 1..12),
            angles in prop::collection::vec(0.0..6.0, 1..40),
            solution in prop::collection::vec(-5.0..5.0, 12),
        ) {
            let size = values.len();
            let matrix = rotated(&values, &angles);
            // For v = A x the form is v'x.
            let row = |row: usize| matrix[row * size..(row + 1) * size].iter();
            let vector: Vec<f64> =
                (0..size).map(|at| row(at).zip(&solution).map(|(left, right)| left * right).sum()).collect();
            let expected: f64 = vector.iter().zip(&solution).map(|(left, right)| left * right).sum();
            let read = inverse_form(matrix.clone(), &vector).unwrap();
            prop_assert!((read - expected).abs() < 1e-10 * expected.abs().max(1.0), "{read} against {expected}");
        }
    }

    #[test]
    fn a_singular_matrix_has_no_inverse() {
        assert_eq!(inverse_form(vec![0.0; 4], &[1.0, 2.0]), None);
        assert_eq!(inverse_form(vec![1.0, 1.0, 1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(inverse_form(vec![1.0, 2.0, 2.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(
            inverse_form(vec![4.0, 0.0, 0.0, 0.25], &[1.0, 2.0]),
            Some(16.25)
        );
        assert_eq!(inverse_form(Vec::new(), &[]), Some(0.0));
        assert_eq!(eigenvalues(Vec::new(), 0), Vec::<f64>::new());
    }
}
