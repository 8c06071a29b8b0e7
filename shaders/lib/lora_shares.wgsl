// A product's LoRA begins where the product's input is made: a workgroup that has written BLOCK values of the input
// computes their share of A·x (A in halves), and the product adds up the shares. With NEXT_NORM the input is normed on its way to the
// product: the shares are of x·norm, and behind each workgroup's stands that of x·x. The including kernel fills `block`
// (zeros where the input ends within it) and `squares`, or calls share_quad; it declares `lora`, next_a:
// [NEXT_INNER, NEXT_IN] and shares: from NEXT_SHARES on [workgroups, NEXT_INNER (+ 1)].
// SLICES threads, where there are so many, compute one share.
const NEXT_WIDTH = NEXT_INNER + u32(NEXT_NORM);
const SLICE_THREADS = THREADS / SLICES;
const SLICE_BLOCK = BLOCK / SLICES;
var<workgroup> block: array<f32, BLOCK>;
var<workgroup> squares: array<f32, BLOCK / 4u>;
var<workgroup> slices: array<f32, THREADS>;

// A size that compilers do not know: unrolled, the loops up to it took them many seconds.
fn opaque(size: u32) -> u32 {
  return select(0u, size, arrayLength(&shares) > 0u);
}

fn block_at(index: u32) -> f32 {
  return block[index];
}

// Behind a barrier; overwrites the workgroup's shares.
fn write_shares(workgroup: u32, thread: u32, lane: u32) {
  let place = NEXT_SHARES + workgroup * NEXT_WIDTH;
  // Without an adapter only the squares count.
  let inner_count = select(NEXT_INNER, 0u, lora.scale == 0.0);
  for (var first = 0u; first < inner_count; first += SLICE_THREADS) {
    let i = first + thread % SLICE_THREADS;
    let begin = thread / SLICE_THREADS * SLICE_BLOCK;
    let a = (min(i, NEXT_INNER - 1u) * NEXT_IN + workgroup * BLOCK + begin) / 8u;
    var share = 0.0;
    for (var j = 0u; j < opaque(SLICE_BLOCK); j += 8u) {
      let values = load_eight_block(begin + j, lane);
      let eight = next_a[a + j / 8u];
      let low = vec4<f32>(unpack2x16float(eight.x), unpack2x16float(eight.y));
      let high = vec4<f32>(unpack2x16float(eight.z), unpack2x16float(eight.w));
      share += dot(low, values.low) + dot(high, values.high);
    }
    if (SLICES > 1u) {
      slices[thread] = share;
      workgroupBarrier();
      for (var slice = 1u; slice < SLICES; slice++) {
        share += slices[(slice * SLICE_THREADS + thread) % THREADS];
      }
    }
    if (i < NEXT_INNER && thread < SLICE_THREADS) {
      shares[place + i] = share;
    }
  }
  if (NEXT_NORM && thread == 0u) {
    var sum = 0.0;
    for (var i = 0u; i < BLOCK / 4u; i++) {
      sum += squares[i];
    }
    shares[place + NEXT_INNER] = sum;
  }
}

// A thread's four values of the input and what they are normed with; the block is that of the first threads. Uniform.
fn share_quad(workgroup: u32, thread: u32, lane: u32, values: vec4<f32>, norms: vec4<f32>) {
  if (thread < BLOCK / 4u) {
    squares[thread] = dot(values, values);
    let normed = values * norms;
    for (var i = 0u; i < 4u; i++) {
      block[thread * 4u + i] = normed[i];
    }
  }
  workgroupBarrier();
  write_shares(workgroup, thread, lane);
}
