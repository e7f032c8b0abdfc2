# on the values of tanh the slope of exp lies between 1/e and e
# proves: Bounded: lip < 3.72, diag >= 1, invertible
# class: Bounded: diagonal, diag in (1, 3.71828]
mint 1
layer Bounded on Vec[D] ensures lip < 3.72, diag >= 1, invertible {
  map x -> x + exp(tanh(x))
}
