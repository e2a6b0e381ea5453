// Small pictures of a run of readings. The figures stand beside them as text, so they are hidden from screen readers.

import { s } from "./dom";

const WIDTH = 120;
const PAD = 2;

/** A line of values in order, evenly spaced; thresholds, where there are any, as a dashed line. */
export function spark(points: readonly (readonly [number, number, number?])[], height = 28): SVGSVGElement {
  const picture = s("svg", {
    class: "spark",
    viewBox: `0 0 ${WIDTH} ${height}`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
    focusable: "false",
  });
  draw(picture, points, height);
  return picture;
}

function draw(picture: SVGSVGElement, points: readonly (readonly [number, number, number?])[], height: number): void {
  if (points.length < 2) return;
  const values = points.flatMap(([, value, threshold]) => (threshold === undefined ? [value] : [value, threshold]));
  const low = Math.min(...values);
  const high = Math.max(...values);
  const x = (index: number): number => PAD + (index / (points.length - 1)) * (WIDTH - 2 * PAD);
  const y = (value: number): number =>
    high > low ? height - PAD - ((value - low) / (high - low)) * (height - 2 * PAD) : height / 2;
  const path = (pick: (point: readonly [number, number, number?]) => number | undefined): string => {
    let text = "";
    points.forEach((point, index) => {
      const value = pick(point);
      if (value !== undefined) text += `${text ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    });
    return text;
  };
  const held = path((point) => point[2]);
  if (held) picture.append(s("path", { class: "spark-threshold", d: held, "vector-effect": "non-scaling-stroke" }));
  picture.append(s("path", { class: "spark-line", d: path((point) => point[1]), "vector-effect": "non-scaling-stroke" }));
}
