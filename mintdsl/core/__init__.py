"""From names to the typed core: shapes, registries, elaboration, the reference interpreter."""
