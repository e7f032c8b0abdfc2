# 1 / e falls where e rises: its slope is -slope(e) / e^2
# proves: Fall: diag > 0, injective
# class: Fall: diagonal, diag in (0, 1)
mint 1
layer Fall on Vec[D] ensures diag > 0, injective {
  map x -> 1 - 1 / (1 + softplus(x))
}
