// dX[T, D] (+)= i·(W·dY) − X·i³/D·Σ(W·dY·X), i = 1/sqrt(mean(X²) + eps): the input gradient of rms_norm.wgsl. A workgroup
// a row. ACCUMULATE adds to dX (the residual's gradient), otherwise dX is overwritten.
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>;

const COLUMNS = D / 4u;

@compute @workgroup_size(ROW_THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let start = workgroup.x * COLUMNS;
  var squares = 0.0;
  var products = 0.0;
  for (var i = thread; i < COLUMNS; i += ROW_THREADS) {
    let value = x[start + i];
    squares += dot(value, value);
    products += dot(value, weight[i] * dy[start + i]);
  }
  let inverse = inverseSqrt(workgroup_sum(squares, thread) / f32(D) + eps);
  workgroupBarrier();
  let factor = workgroup_sum(products, thread) * inverse * inverse * inverse / f32(D);
  for (var i = thread; i < COLUMNS; i += ROW_THREADS) {
    var gradient = inverse * weight[i] * dy[start + i] - factor * x[start + i];
    if (ACCUMULATE) {
      gradient += dx[start + i];
    }
    dx[start + i] = gradient;
  }
}
