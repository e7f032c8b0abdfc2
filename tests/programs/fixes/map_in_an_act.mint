mint 1
act h(u) = u + tanh
