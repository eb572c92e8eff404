"""The transforms: recipes over the walks of `chainrule.derive`."""
