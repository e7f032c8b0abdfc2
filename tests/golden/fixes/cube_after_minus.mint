mint 1
act h(u) = u - (u * u * u)
