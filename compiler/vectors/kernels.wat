;; The loops that making and packing weights spends its time in, four or two numbers at a time. kernels.ts says what each computes, in
;; JavaScript, bit for bit the same. Addresses are bytes; ranges are whole vectors, from `at` up to but not including `end`.
(module
  (import "vectors" "memory" (memory 1))

  ;; Eight sfc32 generators side by side, whose state (a, b, c, counter) lies at `state`, each word of it as two vectors.
  ;; A value is (draw >> 8 + 1/2) * scale in f32. The two halves take turns, since each waits for itself.
  (func (export "uniform") (param $at i32) (param $end i32) (param $scale f32) (param $state i32)
    (local $a0 v128) (local $b0 v128) (local $c0 v128) (local $counter0 v128) (local $draw0 v128)
    (local $a1 v128) (local $b1 v128) (local $c1 v128) (local $counter1 v128) (local $draw1 v128)
    (local $scales v128)
    (local.set $a0 (v128.load (local.get $state)))
    (local.set $a1 (v128.load offset=16 (local.get $state)))
    (local.set $b0 (v128.load offset=32 (local.get $state)))
    (local.set $b1 (v128.load offset=48 (local.get $state)))
    (local.set $c0 (v128.load offset=64 (local.get $state)))
    (local.set $c1 (v128.load offset=80 (local.get $state)))
    (local.set $counter0 (v128.load offset=96 (local.get $state)))
    (local.set $counter1 (v128.load offset=112 (local.get $state)))
    (local.set $scales (f32x4.splat (local.get $scale)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $draw0 (i32x4.add (i32x4.add (local.get $a0) (local.get $b0)) (local.get $counter0)))
        (local.set $draw1 (i32x4.add (i32x4.add (local.get $a1) (local.get $b1)) (local.get $counter1)))
        (local.set $counter0 (i32x4.add (local.get $counter0) (v128.const i32x4 1 1 1 1)))
        (local.set $counter1 (i32x4.add (local.get $counter1) (v128.const i32x4 1 1 1 1)))
        (local.set $a0 (v128.xor (local.get $b0) (i32x4.shr_u (local.get $b0) (i32.const 9))))
        (local.set $a1 (v128.xor (local.get $b1) (i32x4.shr_u (local.get $b1) (i32.const 9))))
        (local.set $b0 (i32x4.add (local.get $c0) (i32x4.shl (local.get $c0) (i32.const 3))))
        (local.set $b1 (i32x4.add (local.get $c1) (i32x4.shl (local.get $c1) (i32.const 3))))
        (local.set $c0 (i32x4.add
          (v128.or (i32x4.shl (local.get $c0) (i32.const 21)) (i32x4.shr_u (local.get $c0) (i32.const 11)))
          (local.get $draw0)))
        (local.set $c1 (i32x4.add
          (v128.or (i32x4.shl (local.get $c1) (i32.const 21)) (i32x4.shr_u (local.get $c1) (i32.const 11)))
          (local.get $draw1)))
        (v128.store (local.get $at) (f32x4.mul (local.get $scales)
          (f32x4.add (f32x4.convert_i32x4_s (i32x4.shr_s (local.get $draw0) (i32.const 8))) (v128.const f32x4 0.5 0.5 0.5 0.5))))
        (v128.store offset=16 (local.get $at) (f32x4.mul (local.get $scales)
          (f32x4.add (f32x4.convert_i32x4_s (i32x4.shr_s (local.get $draw1) (i32.const 8))) (v128.const f32x4 0.5 0.5 0.5 0.5))))
        (local.set $at (i32.add (local.get $at) (i32.const 32)))
        (br $next)))
    (v128.store (local.get $state) (local.get $a0))
    (v128.store offset=16 (local.get $state) (local.get $a1))
    (v128.store offset=32 (local.get $state) (local.get $b0))
    (v128.store offset=48 (local.get $state) (local.get $b1))
    (v128.store offset=64 (local.get $state) (local.get $c0))
    (v128.store offset=80 (local.get $state) (local.get $c1))
    (v128.store offset=96 (local.get $state) (local.get $counter0))
    (v128.store offset=112 (local.get $state) (local.get $counter1)))

  ;; f32 numbers times an f64 factor, each rounded once.
  (func (export "scale") (param $at i32) (param $end i32) (param $factor f64)
    (local $values v128) (local $factors v128)
    (local.set $factors (f64x2.splat (local.get $factor)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $values (v128.load (local.get $at)))
        (v128.store (local.get $at) (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
          (f32x4.demote_f64x2_zero (f64x2.mul (local.get $factors) (f64x2.promote_low_f32x4 (local.get $values))))
          (f32x4.demote_f64x2_zero (f64x2.mul (local.get $factors)
            (f64x2.promote_low_f32x4
              (i8x16.shuffle 8 9 10 11 12 13 14 15 8 9 10 11 12 13 14 15 (local.get $values) (local.get $values)))))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $next))))

  ;; The same of f64 numbers.
  (func (export "scale64") (param $at i32) (param $end i32) (param $factor f64)
    (local $factors v128)
    (local.set $factors (f64x2.splat (local.get $factor)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (v128.store (local.get $at) (f64x2.mul (local.get $factors) (v128.load (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $next))))

  ;; f32 numbers as f64, from `from` on.
  (func (export "widen") (param $from i32) (param $at i32) (param $end i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (v128.store (local.get $at) (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $from))))
        (v128.store offset=16 (local.get $at) (f64x2.promote_low_f32x4 (v128.load64_zero offset=8 (local.get $from))))
        (local.set $from (i32.add (local.get $from) (i32.const 16)))
        (local.set $at (i32.add (local.get $at) (i32.const 32)))
        (br $next))))

  ;; The content hash of `.weights`: its four lanes, which lie at `state`, after the words of the range. A lane becomes
  ;; rotl((lane + word * P2) * P1, 13). Each step waits for the one before, so lanes are kept as they are before rotl, x, and what comes
  ;; next is x * (P1 << 13) + (x >>> 19) * P1 + word * (P2 * P1): both halves of rotl(x, 13) * P1 at the same time.
  (func (export "mix") (param $at i32) (param $end i32) (param $state i32)
    (local $lanes v128)
    (local.set $lanes (v128.load (local.get $state)))
    (local.set $lanes (v128.or
      (i32x4.shr_u (local.get $lanes) (i32.const 13))
      (i32x4.shl (local.get $lanes) (i32.const 19))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $lanes (i32x4.add
          (i32x4.add
            (i32x4.mul (local.get $lanes) (v128.const i32x4 0xef362000 0xef362000 0xef362000 0xef362000))
            (i32x4.mul (v128.load (local.get $at)) (v128.const i32x4 0xfc4a3b47 0xfc4a3b47 0xfc4a3b47 0xfc4a3b47)))
          (i32x4.mul (i32x4.shr_u (local.get $lanes) (i32.const 19)) (v128.const i32x4 0x9e3779b1 0x9e3779b1 0x9e3779b1 0x9e3779b1))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $next)))
    (v128.store (local.get $state) (v128.or
      (i32x4.shl (local.get $lanes) (i32.const 13))
      (i32x4.shr_u (local.get $lanes) (i32.const 19)))))

  ;; Eight columns of a matrix of f64 whose rows are `pitch` bytes apart, moved together.
  (func (export "panel") (param $from i32) (param $pitch i32) (param $at i32) (param $end i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (v128.store (local.get $at) (v128.load (local.get $from)))
        (v128.store offset=16 (local.get $at) (v128.load offset=16 (local.get $from)))
        (v128.store offset=32 (local.get $at) (v128.load offset=32 (local.get $from)))
        (v128.store offset=48 (local.get $at) (v128.load offset=48 (local.get $from)))
        (local.set $from (i32.add (local.get $from) (local.get $pitch)))
        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (br $next))))

  ;; Rows of f64, `pitch` bytes apart from `from` up to `last`, by fours: `bytes` of each, the four numbers of one column together.
  ;; In place of rows past the last one it is taken again.
  (func (export "quads") (param $from i32) (param $pitch i32) (param $last i32) (param $bytes i32) (param $at i32)
    (local $row0 i32) (local $row1 i32) (local $row2 i32) (local $row3 i32) (local $end i32)
    (loop $next_rows
      (local.set $row0 (local.get $from))
      (local.set $row1 (i32.add (local.get $row0) (local.get $pitch)))
      (local.set $row1 (select (local.get $row1) (local.get $last) (i32.lt_u (local.get $row1) (local.get $last))))
      (local.set $row2 (i32.add (local.get $row1) (local.get $pitch)))
      (local.set $row2 (select (local.get $row2) (local.get $last) (i32.lt_u (local.get $row2) (local.get $last))))
      (local.set $row3 (i32.add (local.get $row2) (local.get $pitch)))
      (local.set $row3 (select (local.get $row3) (local.get $last) (i32.lt_u (local.get $row3) (local.get $last))))
      (local.set $end (i32.add (local.get $row0) (local.get $bytes)))
      (loop $next
        (v128.store (local.get $at) (v128.load64_lane 1 (local.get $row1) (v128.load64_zero (local.get $row0))))
        (v128.store offset=16 (local.get $at) (v128.load64_lane 1 (local.get $row3) (v128.load64_zero (local.get $row2))))
        (local.set $row0 (i32.add (local.get $row0) (i32.const 8)))
        (local.set $row1 (i32.add (local.get $row1) (i32.const 8)))
        (local.set $row2 (i32.add (local.get $row2) (i32.const 8)))
        (local.set $row3 (i32.add (local.get $row3) (i32.const 8)))
        (local.set $at (i32.add (local.get $at) (i32.const 32)))
        (br_if $next (i32.lt_u (local.get $row0) (local.get $end))))
      (local.set $from (i32.add (local.get $from) (i32.mul (local.get $pitch) (i32.const 4))))
      (br_if $next_rows (i32.le_u (local.get $from) (local.get $last)))))

  ;; Rows by fours, as `quads` leaves them from `from` up to `stop`, times the eight columns of a panel (from `panel` up to `end`), added to
  ;; the sums at `to`, whose rows are `pitch` bytes apart: in the order of the panel's rows. Columns go by four.
  (func (export "strip") (param $from i32) (param $stop i32) (param $panel i32) (param $end i32) (param $to i32) (param $pitch i32)
    (local $quad i32) (local $at i32) (local $half i32) (local $to1 i32) (local $to2 i32) (local $to3 i32)
    (local $low v128) (local $high v128) (local $f v128)
    (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128) (local $s4 v128) (local $s5 v128) (local $s6 v128) (local $s7 v128)
    (loop $next_rows
      (local.set $half (i32.const 0))
      (loop $next_half
        (local.set $to1 (i32.add (local.get $to) (local.get $pitch)))
        (local.set $to2 (i32.add (local.get $to1) (local.get $pitch)))
        (local.set $to3 (i32.add (local.get $to2) (local.get $pitch)))
        (local.set $s0 (v128.load (local.get $to)))
        (local.set $s1 (v128.load offset=16 (local.get $to)))
        (local.set $s2 (v128.load (local.get $to1)))
        (local.set $s3 (v128.load offset=16 (local.get $to1)))
        (local.set $s4 (v128.load (local.get $to2)))
        (local.set $s5 (v128.load offset=16 (local.get $to2)))
        (local.set $s6 (v128.load (local.get $to3)))
        (local.set $s7 (v128.load offset=16 (local.get $to3)))
        (local.set $quad (local.get $from))
        (local.set $at (i32.add (local.get $panel) (local.get $half)))
        (loop $next
          (local.set $low (v128.load (local.get $at)))
          (local.set $high (v128.load offset=16 (local.get $at)))
          (local.set $f (v128.load64_splat (local.get $quad)))
          (local.set $s0 (f64x2.add (local.get $s0) (f64x2.mul (local.get $f) (local.get $low))))
          (local.set $s1 (f64x2.add (local.get $s1) (f64x2.mul (local.get $f) (local.get $high))))
          (local.set $f (v128.load64_splat offset=8 (local.get $quad)))
          (local.set $s2 (f64x2.add (local.get $s2) (f64x2.mul (local.get $f) (local.get $low))))
          (local.set $s3 (f64x2.add (local.get $s3) (f64x2.mul (local.get $f) (local.get $high))))
          (local.set $f (v128.load64_splat offset=16 (local.get $quad)))
          (local.set $s4 (f64x2.add (local.get $s4) (f64x2.mul (local.get $f) (local.get $low))))
          (local.set $s5 (f64x2.add (local.get $s5) (f64x2.mul (local.get $f) (local.get $high))))
          (local.set $f (v128.load64_splat offset=24 (local.get $quad)))
          (local.set $s6 (f64x2.add (local.get $s6) (f64x2.mul (local.get $f) (local.get $low))))
          (local.set $s7 (f64x2.add (local.get $s7) (f64x2.mul (local.get $f) (local.get $high))))
          (local.set $quad (i32.add (local.get $quad) (i32.const 32)))
          (local.set $at (i32.add (local.get $at) (i32.const 64)))
          (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
        (v128.store (local.get $to) (local.get $s0))
        (v128.store offset=16 (local.get $to) (local.get $s1))
        (v128.store (local.get $to1) (local.get $s2))
        (v128.store offset=16 (local.get $to1) (local.get $s3))
        (v128.store (local.get $to2) (local.get $s4))
        (v128.store offset=16 (local.get $to2) (local.get $s5))
        (v128.store (local.get $to3) (local.get $s6))
        (v128.store offset=16 (local.get $to3) (local.get $s7))
        (local.set $to (i32.add (local.get $to) (i32.const 32)))
        (local.set $half (i32.add (local.get $half) (i32.const 32)))
        (br_if $next_half (i32.lt_u (local.get $half) (i32.const 64))))
      (local.set $to (i32.sub (i32.add (local.get $to3) (local.get $pitch)) (i32.const 32)))
      (local.set $from (local.get $quad))
      (br_if $next_rows (i32.lt_u (local.get $from) (local.get $stop)))))

  ;; Four rows of f32, `pitch` bytes apart, as vectors of one number of each: in order, `taps` of them `tap` bytes apart, the next `taps`
  ;; from `step` bytes further on, and after `inners` of those the next group from `far` bytes further on. Groups are multiples of four.
  ;; Then the next four rows, `beside` bytes further on, `sets` times.
  (func (export "interleave")
    (param $from i32) (param $pitch i32) (param $sets i32) (param $to i32) (param $beside i32)
    (param $taps i32) (param $tap i32) (param $inners i32) (param $step i32) (param $groups i32) (param $far i32)
    (local $row0 i32) (local $row1 i32) (local $row2 i32) (local $row3 i32) (local $end i32)
    (local $start i32) (local $at i32) (local $left i32) (local $back i32) (local $bytes i32) (local $group i32)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128) (local $ab v128) (local $cd v128)
    ;; from the last tap to the first one of the next step
    (local.set $back (i32.sub (local.get $step) (i32.mul (i32.sub (local.get $taps) (i32.const 1)) (local.get $tap))))
    (local.set $bytes (i32.mul (i32.const 4) (i32.mul (local.get $inners) (local.get $taps))))
    (block $done
      (loop $next_set
        (br_if $done (i32.eqz (local.get $sets)))
        (local.set $sets (i32.sub (local.get $sets) (i32.const 1)))
        (local.set $row0 (local.get $from))
        (local.set $row1 (i32.add (local.get $row0) (local.get $pitch)))
        (local.set $row2 (i32.add (local.get $row1) (local.get $pitch)))
        (local.set $row3 (i32.add (local.get $row2) (local.get $pitch)))
        (local.set $from (i32.add (local.get $row3) (local.get $pitch)))
        (local.set $start (local.get $to))
        (local.set $to (i32.add (local.get $to) (local.get $beside)))
        (local.set $group (local.get $groups))
        (loop $next_group
          (local.set $at (local.get $start))
          (local.set $start (i32.add (local.get $start) (local.get $far)))
          (local.set $left (local.get $taps))
          (local.set $end (i32.add (local.get $row0) (local.get $bytes)))
          (loop $next
            (local.set $a (v128.load (local.get $row0)))
            (local.set $b (v128.load (local.get $row1)))
            (local.set $c (v128.load (local.get $row2)))
            (local.set $d (v128.load (local.get $row3)))
            (local.set $ab (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $a) (local.get $b)))
            (local.set $cd (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $c) (local.get $d)))
            (local.set $a (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $a) (local.get $b)))
            (local.set $c (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $c) (local.get $d)))
            (v128.store (local.get $at) (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $ab) (local.get $cd)))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (local.set $at (i32.add (local.get $at) (select (local.get $tap) (local.get $back) (local.get $left))))
            (local.set $left (select (local.get $left) (local.get $taps) (local.get $left)))
            (v128.store (local.get $at) (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $ab) (local.get $cd)))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (local.set $at (i32.add (local.get $at) (select (local.get $tap) (local.get $back) (local.get $left))))
            (local.set $left (select (local.get $left) (local.get $taps) (local.get $left)))
            (v128.store (local.get $at) (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $a) (local.get $c)))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (local.set $at (i32.add (local.get $at) (select (local.get $tap) (local.get $back) (local.get $left))))
            (local.set $left (select (local.get $left) (local.get $taps) (local.get $left)))
            (v128.store (local.get $at) (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $a) (local.get $c)))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (local.set $at (i32.add (local.get $at) (select (local.get $tap) (local.get $back) (local.get $left))))
            (local.set $left (select (local.get $left) (local.get $taps) (local.get $left)))
            (local.set $row0 (i32.add (local.get $row0) (i32.const 16)))
            (local.set $row1 (i32.add (local.get $row1) (i32.const 16)))
            (local.set $row2 (i32.add (local.get $row2) (i32.const 16)))
            (local.set $row3 (i32.add (local.get $row3) (i32.const 16)))
            (br_if $next (i32.lt_u (local.get $row0) (local.get $end))))
          (local.set $group (i32.sub (local.get $group) (i32.const 1)))
          (br_if $next_group (local.get $group)))
        (br $next_set))))
)
