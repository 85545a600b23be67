/** Names, strings and numbers of users as Python text. Nothing else of the pytorch target quotes or escapes. */
import { commentText } from "../module/text.ts";

const KEYWORDS = new Set(
  (
    "False None True and as assert async await break case class continue def del elif else except finally for from global if import in is " +
    "lambda match nonlocal not or pass raise return try type while with yield _ self super print list tuple dict range len str int float bool " +
    "torch nn F Tensor OrderedDict math json os sys abs all any bool bytes complex dir filter hash id input iter map max min next object open pow " +
    "range round set slice sorted sum type vars zip"
  ).split(" "),
);

/** Attributes that every nn.Module has, in PyTorch 1.13 or a later 2.x: a child of that name must not hide them. */
const MODULE_ATTRIBUTES = new Set(
  (
    "T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval extra_repr float forward " +
    "get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules mtia named_buffers named_children named_modules " +
    "named_parameters parameters register_backward_hook register_buffer register_forward_hook register_forward_pre_hook " +
    "register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook register_load_state_dict_pre_hook " +
    "register_module register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state " +
    "set_submodule share_memory state_dict to to_empty train training type xpu zero_grad " +
    // of nn.Sequential and containers
    "append extend insert pop keys values items update clear"
  ).split(" "),
);

/** Whether a label can stand behind `self.`; names that start with two underscores would be mangled, with one belong to nn.Module. */
export const isPlainAttribute = (label: string): boolean =>
  /^[A-Za-z][A-Za-z0-9_]*$/.test(label) && !MODULE_ATTRIBUTES.has(label) && !KEYWORDS.has(label);

/** Whether `add_module` takes the label: it refuses names of attributes. */
export const isFreeName = (label: string): boolean => !MODULE_ATTRIBUTES.has(label) && !label.startsWith("_");

/** A Python identifier for `name` that is not in `taken`, where it is then added. */
export function pythonName(name: string, taken: Set<string>): string {
  let base = name.replace(/[^A-Za-z0-9_]+/g, "_").replace(/^_+(?=.)/, "");
  if (!/^[A-Za-z]/.test(base)) base = `v${base}`;
  if (KEYWORDS.has(base)) base = `${base}_`;
  let unique = base;
  for (let i = 2; taken.has(unique); i++) unique = `${base}_${i}`;
  taken.add(unique);
  return unique;
}

/** A Python string literal; JSON's escapes are Python's, with characters beyond the basic plane as they are. */
export const pythonString = (text: string): string =>
  JSON.stringify(text)
    .replace(/[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]/g, (c) =>
      /[\ud800-\udfff]/.test(c) ? c : `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
    )
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`);

/** `text` inside a docstring or behind `#`. */
export const docText = (text: string): string => commentText(text).replace(/\\/g, "/").replace(/"""/g, "'''");

export type Literal = number | boolean | string | readonly number[];

export function literal(value: Literal): string {
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return pythonString(value);
  if (typeof value !== "number") return `(${value.map(literal).join(", ")}${value.length === 1 ? "," : ""})`;
  if (Number.isNaN(value)) return 'float("nan")';
  if (!Number.isFinite(value)) return value > 0 ? 'float("inf")' : 'float("-inf")';
  return Object.is(value, -0) ? "-0.0" : String(value);
}

/** Words as published networks spell them; others are capitalised. */
const SPELLED: readonly (readonly [RegExp, string])[] = [
  [/^(se|ese|eca|cse|sse|scse|cbam|bam|gct|sk|cba|cbr|vgg|wrn)(?=\d|$)/, ""],
  [/^(res|mobile|dense|efficient|reg|ghost|shuffle|squeeze|google|se|u)net(?=\d|$)/, "Net"],
  [/^resnext(?=\d|$)/, "ResNeXt"],
  [/^simam$/, "SimAM"],
];

/** "cifar_se_resnet20" -> "CifarSEResNet20". */
export function className(name: string): string {
  const words = name.split(/[^A-Za-z0-9]+/).filter(Boolean);
  const spelled = words.map((w) => {
    const rule = SPELLED.find(([pattern]) => pattern.test(w));
    if (!rule) return w[0]?.toUpperCase() + w.slice(1);
    const [head = ""] = rule[0].exec(w) ?? [];
    const rest = w.slice(head.length);
    if (rule[1] === "") return head.toUpperCase() + rest;
    if (rule[1] !== "Net") return rule[1] + rest;
    const stem = head.slice(0, -3);
    return `${stem === "se" ? "SE" : stem[0]?.toUpperCase() + stem.slice(1)}Net${rest}`;
  });
  const joined = spelled.join("");
  return /^[A-Za-z]/.test(joined) ? joined : `Net${joined}`;
}
