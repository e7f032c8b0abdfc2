# error: [E0201] gaussian
mint 1
flow F on Vec[6] { prior gaussian }
