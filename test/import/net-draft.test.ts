/** A damaged file may claim anything: numbers that no layer takes are SE612 before anything is made of them. */
import { expect, test } from "vitest";
import { netDraft } from "../../compiler/import/net-draft.ts";

const draft = () => {
  const net = netDraft();
  return { net, x: net.input("x", [3, 8, 8]) };
};

test("what a layer takes is added", () => {
  const { net, x } = draft();
  const y = net.add({ label: "act", op: "relu", inputs: [x] });
  expect(y).toBeTypeOf("string");
  expect(net.typeOf(y as string).shape).toEqual(["N", 3, 8, 8]);
});

test("an argument that the layer cannot have", () => {
  const { net, x } = draft();
  expect(net.add({ label: "c", op: "conv", inputs: [x], attrs: { out: -4, kernel: [1, 1] } })).toMatchObject({ code: "SE612" });
});

test("a window larger than any map", () => {
  const { net, x } = draft();
  const kernel = [2 ** 22, 2 ** 22];
  expect(net.add({ label: "p", op: "maxpool", inputs: [x], attrs: { kernel } })).toMatchObject({ code: "SE612" });
});
