import type { Labels } from "./metrics.ts";
import { numberOf, type Static, staticKey } from "./static.ts";

/** By name and value, label after label; numbers in their own order. */
export function compareLabels(left: Labels, right: Labels): number {
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const [leftName, leftValue] = left[index];
    const [rightName, rightValue] = right[index];
    const order = compareTexts(leftName, rightName) || compareValues(leftValue, rightValue);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function compareValues(left: Static, right: Static): number {
  const difference = (numberOf(left) ?? NaN) - (numberOf(right) ?? NaN);
  return difference || compareTexts(staticKey(left), staticKey(right));
}

function compareTexts(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1;
}
