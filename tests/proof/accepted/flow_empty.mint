# proves: F: invertible, volume_preserving
# class: F: bijection of R^D
mint 1
flow F on Vec[3] ensures invertible, volume_preserving { }
