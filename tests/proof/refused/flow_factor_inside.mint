# what leaves the inner flow would have to pass the steps that follow
# error: [E0607] Inner
mint 1
flow Inner on Vec[4] ensures invertible { factor half }
flow F on Vec[4] ensures invertible { Inner }
