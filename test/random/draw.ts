/** Choices of one layer, taken one after another from numbers that fast-check made and can make smaller. */
import fc from "fast-check";

const TOP = 2 ** 16;
const CHOICES = 14;

export class Draw {
  private readonly numbers: readonly number[];
  private next = 0;
  constructor(numbers: readonly number[]) {
    this.numbers = numbers;
  }

  /** In [0, 1). */
  private unit(): number {
    return (this.numbers[this.next++ % this.numbers.length] ?? 0) / TOP;
  }

  chance(probability: number): boolean {
    return this.unit() >= 1 - probability;
  }

  /** The first ones are what a failing case is made smaller to. */
  from<T>(list: readonly T[]): T {
    return list[Math.floor(this.unit() * list.length)] as T;
  }
}

export const draws: fc.Arbitrary<readonly number[]> = fc.array(fc.nat(TOP - 1), { minLength: CHOICES, maxLength: CHOICES });
