//! The scores of van den Burg & Williams, *An Evaluation of Change Point Detection Algorithms* (arXiv 2003.06222),
//! section 4, against several annotators.

use std::collections::BTreeSet;
use std::ops::Range;

/// How far from an annotation a change may lie and still be it, in observations.
pub const MARGIN: usize = 5;

/// F1: precision over the union of the annotations, recall in the mean over annotators.
///
/// Index 0 is a change for everybody, so that neither is ever undefined. An annotation is found where a change lies
/// within the margin; the nearest one, the earlier of two, and each change is one annotation's at most. Annotations
/// take their turn in ascending order.
pub fn f1(annotations: &[Vec<usize>], changes: &[usize], margin: usize) -> f64 {
    let changes = with_zero(changes);
    let annotated: Vec<BTreeSet<usize>> =
        annotations.iter().map(|marks| with_zero(marks)).collect();
    if annotated.is_empty() {
        return 0.0;
    }
    let union = annotated.iter().flatten().copied().collect();
    let precision = ratio(found(&union, &changes, margin), changes.len());
    let recalls = annotated
        .iter()
        .map(|marks| ratio(found(marks, &changes, margin), marks.len()));
    let recall = recalls.sum::<f64>() / count(annotated.len());
    2.0 * precision * recall / (precision + recall)
}

/// Covering: for each segment of an annotator the largest overlap (Jaccard index) with a segment between changes,
/// weighted by length; in the mean over annotators.
pub fn covering(annotations: &[Vec<usize>], changes: &[usize], length: usize) -> f64 {
    if annotations.is_empty() || length == 0 {
        return 0.0;
    }
    let told = segments(changes, length);
    let of_one = |marks: &Vec<usize>| {
        let covered = segments(marks, length).into_iter().map(|segment| {
            let best = told
                .iter()
                .map(|other| overlap(&segment, other))
                .fold(0.0, f64::max);
            count(segment.len()) * best
        });
        covered.sum::<f64>() / count(length)
    };
    annotations.iter().map(of_one).sum::<f64>() / count(annotations.len())
}

fn with_zero(marks: &[usize]) -> BTreeSet<usize> {
    marks.iter().copied().chain([0]).collect()
}

/// How many of the annotations are found.
fn found(annotated: &BTreeSet<usize>, changes: &BTreeSet<usize>, margin: usize) -> usize {
    let mut left = changes.clone();
    let is_found = |mark: &&usize| {
        let near = left
            .range(mark.saturating_sub(margin)..=**mark + margin)
            .copied()
            .min_by_key(|change| (change.abs_diff(**mark), *change));
        near.is_some_and(|change| left.remove(&change))
    };
    annotated.iter().filter(is_found).count()
}

fn segments(changes: &[usize], length: usize) -> Vec<Range<usize>> {
    let inside = with_zero(changes)
        .into_iter()
        .filter(|change| *change < length);
    let starts: Vec<usize> = inside.collect();
    let ends = starts[1..].iter().copied().chain([length]);
    starts
        .iter()
        .copied()
        .zip(ends)
        .map(|(start, end)| start..end)
        .collect()
}

fn overlap(left: &Range<usize>, right: &Range<usize>) -> f64 {
    let both = left
        .end
        .min(right.end)
        .saturating_sub(left.start.max(right.start));
    ratio(both, left.len() + right.len() - both)
}

fn ratio(part: usize, whole: usize) -> f64 {
    count(part) / count(whole)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn count(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Change points by annotator, those that were told, and the score.
    type Case<'a> = (&'a [&'a [usize]], &'a [usize], f64);

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-12
    }

    #[test]
    fn covering_by_hand() {
        let cases: [Case<'_>; 7] = [
            (&[&[]], &[], 1.0),
            // [0, 10) against two halves.
            (&[&[]], &[5], 0.5),
            // Two halves against [0, 10).
            (&[&[5]], &[], 0.5),
            (&[&[5]], &[5], 1.0),
            // [0, 4) in [0, 6): 4 of 6; [4, 10) over [6, 10): 4 of 6.
            (&[&[4]], &[6], 2.0 / 3.0),
            // The mean of 1 and of: [0, 2) in [0, 5): 2 of 5; [2, 10) over [5, 10): 5 of 8.
            (
                &[&[5], &[2]],
                &[5],
                (1.0 + (2.0 * 0.4 + 8.0 * 0.625) / 10.0) / 2.0,
            ),
            // A change at 0 or past the end makes no segment.
            (&[&[5]], &[0, 5, 10, 99], 1.0),
        ];
        for (annotations, changes, expected) in cases {
            let annotations: Vec<Vec<usize>> =
                annotations.iter().map(|marks| marks.to_vec()).collect();
            let score = covering(&annotations, changes, 10);
            assert!(
                close(score, expected),
                "{annotations:?} {changes:?}: {score}"
            );
        }
    }

    #[test]
    fn f1_by_hand() {
        let cases: [Case<'_>; 8] = [
            (&[&[]], &[], 1.0),
            // Both are found, and the annotator of none is content.
            (&[&[10], &[]], &[12], 1.0),
            (&[&[10]], &[15], 1.0),
            // Past the margin: precision 1/2, recall (1/2 + 1)/2.
            (&[&[10], &[]], &[16], 2.0 * 0.5 * 0.75 / 1.25),
            // One change is one annotation's: precision 2/2, recall 2/3.
            (&[&[10, 12]], &[11], 0.8),
            // Two changes for one annotation: precision 2/3, recall 1.
            (&[&[10]], &[9, 11], 0.8),
            // The change at 0 is used up by 0.
            (&[&[3]], &[], 2.0 / 3.0),
            // Precision is over the union: 3/3. Recall (2/2 + 2/2 + 1)/3.
            (&[&[20], &[40], &[]], &[20, 40], 1.0),
        ];
        for (annotations, changes, expected) in cases {
            let annotations: Vec<Vec<usize>> =
                annotations.iter().map(|marks| marks.to_vec()).collect();
            let score = f1(&annotations, changes, 5);
            assert!(
                close(score, expected),
                "{annotations:?} {changes:?}: {score}"
            );
        }
    }

    #[test]
    fn without_an_annotator_there_is_no_score() {
        assert_eq!(f1(&[], &[5], 5), 0.0);
        assert_eq!(covering(&[], &[5], 10), 0.0);
    }
}
