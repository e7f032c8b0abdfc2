# error: [E0610] Field
# nothing is known of a module of the user
mint 1
extern net Field from Vec[3], Vec[1] to Vec[3]
flow F on Vec[3] ensures invertible { ode Field log_det exact }
