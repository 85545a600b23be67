/** Logits of torchvision's residual families, VGG, DenseNet and SqueezeNet on cpu, from the same weights, against PyTorch's. */
import { testLogits } from "../judges/describe-logits.ts";
import { MORE_RESIDUAL_CASES, RESIDUAL_CASES } from "../judges/torch-zoo.ts";

testLogits([...RESIDUAL_CASES, ...(process.env.SEC_ALL_NETS ? MORE_RESIDUAL_CASES : [])]);
