// What activations are stored as that a product or attention reads; all sums are f32.
alias Activation = f32;
const LARGEST = 3.4e38;
