import { expect, test } from "vitest";
import { editDistance, nearest, nearestFirst } from "../../compiler/diagnostics/suggest.ts";

test.each([
  ["CBAM", ["se", "cbam", "bam"], "cbam"],
  ["sigmod", ["sigmoid", "hsigmoid6"], "sigmoid"],
  ["mian", ["main", "shortcut"], "main"],
  ["x", ["shortcut"], "shortcut"],
  ["kernal", ["kernel", "stride"], "kernel"],
  ["fully_connected", ["conv", "linear"], undefined],
  ["ab", ["cd", "ef"], undefined],
  ["se", ["se"], undefined],
  ["anything", [], undefined],
  ["ben", ["bn", "gn"], "bn"],
])("%s among %j: %s", (name, candidates, expected) => expect(nearest(name, candidates)).toBe(expected));

test.each([
  ["", "", 0],
  ["conv", "conv", 0],
  ["conv", "covn", 1],
  ["conv", "con", 1],
  ["main", "miani", 2],
  ["", "abc", 3],
  // restricted: a swap cannot be edited again
  ["ca", "abc", 3],
])("the distance of %j and %j is %i", (a, b, expected) => {
  expect(editDistance(a, b)).toBe(expected);
  expect(editDistance(b, a)).toBe(expected);
});

test("a limit ends the count early, just above it", () => {
  expect(editDistance("abcdef", "uvwxyz", 2)).toBe(3);
  expect(editDistance("a", "abcdef", 2)).toBe(3);
});

test("the nearest come first, ties in their order", () => {
  expect(nearestFirst("con", ["linear", "bn", "conv", "cond"], 3)).toEqual(["conv", "cond", "bn"]);
});
