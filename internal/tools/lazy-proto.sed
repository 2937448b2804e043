# What protoc-gen-go makes, changed so that a program that imports it and uses none of its
# reflection pays nothing for it: descriptors and types of a file are built and registered when
# they are asked for first, not when the program starts. Whoever asks goes through ProtoReflect of
# a message, or Descriptor or Type of an enum.
s/^func \(file_[a-z0-9_]*\)_init() {$/func \1_build() {/
s/^func init() { \(file_[a-z0-9_]*\)_init() }$/var \1_initOnce sync.Once\
\
func \1_init() {\
	\1_initOnce.Do(\1_build)\
}\
/
/^func (x \*[A-Za-z0-9_]*) ProtoReflect() protoreflect.Message {$/,/^}$/ s/^	mi := &\(file_[a-z0-9_]*\)_msgTypes\[/	\1_init()\
&/
s/^	return &\{0,1\}\(file_[a-z0-9_]*\)_enumTypes\[[0-9]*\]\(\.Descriptor()\)\{0,1\}$/	\1_init()\
&/
# Neither do the tables need the heap.
s/^var \(file_[a-z0-9_]*_enumTypes\) = make(\[\]protoimpl\.EnumInfo, \([0-9]*\))$/var \1 [\2]protoimpl.EnumInfo/
s/^var \(file_[a-z0-9_]*_msgTypes\) = make(\[\]protoimpl\.MessageInfo, \([0-9]*\))$/var \1 [\2]protoimpl.MessageInfo/
s/^\(		\(Enum\|Message\)Infos: *file_[a-z0-9_]*Types\),$/\1[:],/
