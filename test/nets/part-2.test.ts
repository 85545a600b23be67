/** A sixth of the nets that ship, on cpu and tfjs against the f64 reference. */
import { describeOnNode } from "../judges/describe-nets.ts";
import { partOfNets } from "../judges/whole-nets.ts";

describeOnNode(partOfNets(2));
