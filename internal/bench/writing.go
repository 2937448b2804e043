package main

func (b *bench) writing() error { return nil }
