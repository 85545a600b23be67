/** Logits of SE nets on cpu, from the same weights, against torchvision's nets with gates put in by hand. */
import { testLogits } from "../judges/describe-logits.ts";
import { GATED_CASES, MORE_GATED_CASES } from "../judges/torch-zoo.ts";

testLogits([...GATED_CASES, ...(process.env.SEC_ALL_NETS ? MORE_GATED_CASES : [])]);
