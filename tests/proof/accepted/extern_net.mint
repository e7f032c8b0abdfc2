# proves: Coupling: invertible, log_det exact, inverse closed_form
# class: Coupling: lower, diag in (0, inf)
# proves: Constants: diagonal, diag > 0, invertible
# class: Constants: diagonal, diag in (0, inf)
# proves: Own: lower, diag > 0, invertible
# class: Own: lower, diag in (0, inf)
# proves: Outer: invertible
# class: Outer: lower, diag in (0, inf)
# proves: F: invertible
# class: F: bijection of R^D
# proves: Head: invertible
# class: Head: bijection of R^D
mint 1

# nothing is known of an extern net, so it may stand where what it reads is held fixed: a part, constants, a context
extern net Cond from Vec[N], Vec[M] to (Vec[N], Vec[N])
extern net Any from S to S
extern net Logits from Vec[D] to Vec[10]
extern net Split from Vec[D] to (Vec[D], Vec[D])

layer Coupling on Vec[D] given y : Vec[M] ensures invertible, log_det exact, inverse closed_form {
  param n : net Cond from Vec[D / 2], Vec[M] to (Vec[D / 2], Vec[D / 2])
  map x {
    let (a, b) = split(x, halves)
    let (s, m) = n(a, y)
    return join(a, exp(s) * b + m)
  }
}

layer Constants on Vec[D] ensures diagonal, diag > 0, invertible {
  index k : 2
  param b    : bias
  param n    : net Any
  param B[k] : net Any
  map x -> x * exp(n(b)) + chain[k](B[k])(b)
}

layer Own on Vec[D] given y : Vec[D] ensures lower, diag > 0, invertible {
  param W : linear lower with diag > 0
  param n : net Any
  map x -> W(x) * exp(n(y))
}

# inside of another net, and beside an applied layer with an extern net of its own
net Twice from Vec[D] to Vec[D] {
  param n, m : net Any
  map x -> n(tanh(m(x))) + x
}

layer Outer on Vec[D] ensures invertible {
  param n : net Twice on Vec[D / 2]
  map x {
    let (a, b) = split(x, halves)
    return join(a, Constants(b) * exp(n(a)))
  }
}

flow F on Vec[8] given y : Vec[4] ensures invertible {
  repeat 2 { Coupling  reverse(axis = all)  Outer }
  factor half (prior = Split)
  Own
  prior normal
}

flow Head on Vec[4] ensures invertible {
  Outer  classify Logits
}
