/** model.py of every net that ships, part 2 of 3: its names, shapes and numbers, and the weights that it writes. */
import { pytorchNumbers } from "./judges/pytorch-numbers.ts";

pytorchNumbers(2, 3);
