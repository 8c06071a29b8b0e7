// Y[T, D] = X / sqrt(mean(X²) + eps) · W (Zhang & Sennrich 2019). A workgroup a row. Overwrites.
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<Activation>>;

const COLUMNS = D / 4u;

@compute @workgroup_size(ROW_THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let start = workgroup.x * COLUMNS;
  var squares = 0.0;
  for (var i = thread; i < COLUMNS; i += ROW_THREADS) {
    let value = x[start + i];
    squares += dot(value, value);
  }
  let inverse = inverseSqrt(workgroup_sum(squares, thread) / f32(D) + eps);
  for (var i = thread; i < COLUMNS; i += ROW_THREADS) {
    y[start + i] = vec4<Activation>(x[start + i] * inverse * weight[i]);
  }
}
