/** A sixth of the nets that ship, on every target that needs no GPU, against the f64 reference. */
import { describeOnNode } from "../judges/describe-nets.ts";
import { partOfNets } from "../judges/whole-nets.ts";

describeOnNode(partOfNets(4));
