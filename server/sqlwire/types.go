package sqlwire

// Types are known by the OIDs that PostgreSQL gives its built-in ones, which never change. A type of the database's own (enum, domain over an
// array, extension) is text, and so are its arrays.

// kindOf returns how values of a type are written.
func kindOf(oid uint32) kind {
	switch oid {
	case 16: // bool
		return kindBool
	case 21, 23, 700, 701: // int2, int4, float4, float8
		return kindNumber
	case 114, 3802: // json, jsonb
		return kindJSON
	default:
		return kindText
	}
}

// arrayType says how to read an array's text.
type arrayType struct {
	elem  kind
	delim byte // between elements
}

// arrayOf reports whether a type is a built-in array type, and of what. int2vector and oidvector are none: their text has no braces.
func arrayOf(oid uint32) (arrayType, bool) {
	switch oid {
	case 1000: // bool[]
		return arrayType{kindBool, ','}, true
	case 1005, 1007, 1021, 1022: // int2[], int4[], float4[], float8[]
		return arrayType{kindNumber, ','}, true
	case 199, 3807: // json[], jsonb[]
		return arrayType{kindJSON, ','}, true
	case 1020: // box[], the one type whose values have commas and whose arrays have not
		return arrayType{kindText, ';'}, true
	case 1001, 1002, 1003, 1006, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 1016, // bytea[], "char"[], name[], int2vector[] … varchar[], int8[]
		1017, 1018, 1019, 1027, 629, 719, // point[], lseg[], path[], polygon[], line[], circle[]
		1028, 1034, 1040, 775, 1041, 651, // oid[], aclitem[], macaddr[], macaddr8[], inet[], cidr[]
		1115, 1182, 1183, 1185, 1187, 1270, // timestamp[], date[], time[], timestamptz[], interval[], timetz[]
		1231, 791, 1561, 1563, 2951, 143, 1263, 2287, // numeric[], money[], bit[], varbit[], uuid[], xml[], cstring[], record[]
		2201, 2207, 2208, 2209, 2210, 2211, 3735, 3770, 4090, 4097, 4192, // refcursor[], regprocedure[] … regcollation[]
		271, 2949, 3221, 5039, 3643, 3644, 3645, 4073, // xid8[], txid_snapshot[], pg_lsn[], pg_snapshot[], tsvector[], gtsvector[], tsquery[], jsonpath[]
		3905, 3907, 3909, 3911, 3913, 3927, // int4range[] … int8range[]
		6150, 6151, 6152, 6153, 6155, 6157: // int4multirange[] … int8multirange[]
		return arrayType{kindText, ','}, true
	default:
		return arrayType{}, false
	}
}
