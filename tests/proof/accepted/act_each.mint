# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in [1, inf)
mint 1
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param V : linear lower with diag >= 0
  map x -> x + elu(V(x)) + relu(V(x)) + leaky_relu(V(x), 0.2) + softplus(V(x)) + tanh(V(x)) + sigmoid(V(x)) + exp(V(x))
}
