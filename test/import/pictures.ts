/** Pictures of lines of text in a bitmap font of our own, as the tensor that the text-direction net was trained on. */

/** Seven rows of five dots each. */
const FONT: Readonly<Record<string, readonly string[]>> = {
  A: [".###.", "#...#", "#...#", "#####", "#...#", "#...#", "#...#"],
  B: ["####.", "#...#", "#...#", "####.", "#...#", "#...#", "####."],
  C: [".####", "#....", "#....", "#....", "#....", "#....", ".####"],
  D: ["####.", "#...#", "#...#", "#...#", "#...#", "#...#", "####."],
  E: ["#####", "#....", "#....", "####.", "#....", "#....", "#####"],
  F: ["#####", "#....", "#....", "####.", "#....", "#....", "#...."],
  G: [".####", "#....", "#....", "#.###", "#...#", "#...#", ".####"],
  J: ["..###", "...#.", "...#.", "...#.", "...#.", "#..#.", ".##.."],
  K: ["#...#", "#..#.", "#.#..", "##...", "#.#..", "#..#.", "#...#"],
  L: ["#....", "#....", "#....", "#....", "#....", "#....", "#####"],
  P: ["####.", "#...#", "#...#", "####.", "#....", "#....", "#...."],
  R: ["####.", "#...#", "#...#", "####.", "#.#..", "#..#.", "#...#"],
  T: ["#####", "..#..", "..#..", "..#..", "..#..", "..#..", "..#.."],
  U: ["#...#", "#...#", "#...#", "#...#", "#...#", "#...#", ".###."],
  Y: ["#...#", "#...#", ".#.#.", "..#..", "..#..", "..#..", "..#.."],
  "2": [".###.", "#...#", "....#", "..##.", ".#...", "#....", "#####"],
  "4": ["...#.", "..##.", ".#.#.", "#..#.", "#####", "...#.", "...#."],
  "5": ["#####", "#....", "####.", "....#", "....#", "#...#", ".###."],
  "7": ["#####", "....#", "...#.", "..#..", "..#..", "..#..", "..#.."],
  " ": [".....", ".....", ".....", ".....", ".....", ".....", "....."],
};

const HEIGHT = 48;
const WIDTH = 192;

/** Darkness at a point of the line, in dots; bilinear between the dots, so that edges are soft as in a photograph. */
function ink(text: string, x: number, y: number): number {
  const dot = (column: number, row: number): number => {
    const glyph = FONT[text[Math.floor(column / 6)] ?? " "] ?? [];
    return column >= 0 && glyph[row]?.[column % 6] === "#" ? 1 : 0;
  };
  const [c, r] = [Math.floor(x), Math.floor(y)];
  const [u, v] = [x - c, y - r];
  return (dot(c, r) * (1 - u) + dot(c + 1, r) * u) * (1 - v) + (dot(c, r + 1) * (1 - u) + dot(c + 1, r + 1) * u) * v;
}

/** [1, 3, 48, 192] in blue, green, red: (pixel / 255 - 0.5) / 0.5; the picture is as wide as its text, zeros fill the rest. */
export function textLine(text: string, turned: boolean): Float32Array {
  const scale = 4.5;
  const width = Math.min(WIDTH, Math.round((text.length * 6 + 1) * scale));
  const out = new Float32Array(3 * HEIGHT * WIDTH);
  // dark blue on light paper
  const paper = [225, 240, 245];
  const pen = [90, 40, 30];
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < width; x++) {
      const [sx, sy] = turned ? [width - 1 - x, HEIGHT - 1 - y] : [x, y];
      const dark = ink(text, (sx + 0.5) / scale - 1.5, (sy + 0.5) / scale - 2.3);
      for (let c = 0; c < 3; c++) {
        const pixel = Math.round((paper[c] as number) * (1 - dark) + (pen[c] as number) * dark);
        out[(c * HEIGHT + y) * WIDTH + x] = (pixel / 255 - 0.5) / 0.5;
      }
    }
  }
  return out;
}
