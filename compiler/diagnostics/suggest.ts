/**
 * The near miss for a misspelt name. Rule: what differs only in case, or is the only thing there is, is offered;
 * otherwise the nearest within a third of the name's length (at least 1) by restricted Damerau-Levenshtein distance.
 */

/**
 * Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours cost 1 each.
 * Returns `limit + 1` as soon as the distance is known to exceed `limit`.
 */
export function editDistance(a: string, b: string, limit = Number.POSITIVE_INFINITY): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + substitution);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    if (Math.min(...row) > limit) return limit + 1;
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/**
 * The candidate the user most likely meant, or undefined. Ties go to the earlier candidate.
 * Candidates equal to `name` are passed over.
 */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const others = [...new Set(candidates)].filter((c) => c !== name);
  const lower = name.toLowerCase();
  const sameLetters = others.find((c) => c.toLowerCase() === lower);
  if (sameLetters !== undefined) return sameLetters;
  if (others.length === 1) return others[0];
  let best: string | undefined;
  let bestDistance = Math.max(Math.floor(name.length / 3), 1) + 1;
  for (const candidate of others) {
    const distance = editDistance(lower, candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Candidates ordered by nearness, at most `count`; for "there is: ..." lists. */
export function nearestFirst(name: string, candidates: Iterable<string>, count = 8): string[] {
  const lower = name.toLowerCase();
  return [...new Set(candidates)]
    .map((text, order) => ({ text, order, distance: editDistance(lower, text.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance || a.order - b.order)
    .slice(0, count)
    .map((c) => c.text);
}
