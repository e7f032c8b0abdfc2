# proves: A: invertible
# proves: Coupling: invertible, volume_preserving
# proves: Mix: invertible
# proves: Raw: diag != 0, invertible
# class: A: dense, bijection by composition
# class: Coupling: lower, diag in [1, 1]
# class: Mix: dense, bijection by composition
# class: Raw: diagonal, diag in sign(s) * (0, inf)
# assumes: A: diag(s) != 0 of Raw
# assumes: Raw: diag(s) != 0 of Raw
# what is assumed of an inner layer is assumed of the outer one, once; a sign that is free makes the application dense
mint 1
layer A on Vec[D] ensures invertible {
  param P : perm
  map x {
    let u = P(Raw(Coupling(x)))
    return -Mix(Raw(leaky_relu(u, 0.5))) / 3
  }
}
layer Coupling on Vec[D] ensures invertible, volume_preserving {
  map x {
    let (a, b) = split(x, halves)
    return join(a, b + tanh(a))
  }
}
layer Mix on Vec[D] ensures invertible {
  param L : linear lower with diag == 1
  param U : linear upper with diag > 0
  map x -> L(U(x))
}
layer Raw on Vec[D] ensures diag != 0, invertible {
  param s : scale with diag != 0 via raw
  map x -> s * x
}
