# error: [E0609] A(direction = inverse)
# what lies outside of the image of softplus(x) + tanh(x) has no inverse
mint 1
layer A on Vec[D] ensures diag > 0, injective { map x -> softplus(x) + tanh(x) }
flow F on Vec[4] ensures injective { A(direction = inverse) }
