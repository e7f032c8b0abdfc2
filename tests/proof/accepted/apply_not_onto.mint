# proves: A: injective
# proves: B: injective
# proves: Box: injective
# class: A: lower, diag in (0, 0.25]
# class: B: diagonal, diag in (0, 0.125]
# class: Box: diagonal, diag in (0, 0.25]
# what a diagonal layer keeps of values it keeps where it is applied
mint 1
layer A on Vec[D] ensures injective {
  map x {
    let (a, b) = split(x, halves)
    return join(Box(a), Box(b) + tanh(a))
  }
}
layer B on Vec[D] ensures injective {
  map x -> Box(x) / 2 + 1
}
layer Box on Vec[D] ensures injective {
  map x -> sigmoid(x)
}
