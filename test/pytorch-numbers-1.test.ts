/** model.py of every net that ships, part 1 of 3: its names, shapes and numbers, and the weights that it writes. */
import { pytorchNumbers } from "./judges/pytorch-numbers.ts";

pytorchNumbers(1, 3);
